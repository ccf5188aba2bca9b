"""The figures of the gap against a plain loop, resampling by group, and the errors that name what is missing."""

import json

import numpy as np
import pytest
from scipy import stats

from optical_hf.metrics.gap import cross_lingual_gap
from optical_hf.metrics.resource_groups import split_resource_groups

RESOURCE_GROUPS = {"high": ["de", "fr"], "low": ["mr", "so"]}


def captions(groups=120, a_group=3, seed=0, languages=("de", "fr", "mr", "so"), levels=(0.8, 0.7, 0.4, 0.3)):
    """Hits of captions that share their image: languages of one image rise and fall together."""
    rng = np.random.default_rng(seed)
    level_GLC = np.asarray(levels)[:, None] + 0.35 * rng.choice([-0.5, 0.5], (groups, 1, 1)) + np.zeros((1, 1, a_group))
    hits_GLC = (rng.random(level_GLC.shape) < level_GLC).astype(float)
    languages_GLC = np.broadcast_to(np.array(languages)[:, None], hits_GLC.shape)
    groups_GLC = np.broadcast_to(np.arange(groups)[:, None, None], hits_GLC.shape)
    return hits_GLC.ravel(), languages_GLC.ravel(), groups_GLC.ravel()


def test_figures_are_those_of_a_plain_loop():
    hits, languages, groups = captions()
    rng = np.random.default_rng(5)
    keep = rng.random(len(hits)) < np.where(languages == "so", 0.4, 0.9)  # uneven: languages still count alike
    hits, languages, groups = hits[keep], languages[keep], groups[keep]
    report = cross_lingual_gap(hits, languages, groups=groups, rounds=200, **RESOURCE_GROUPS)
    means = {name: hits[languages == name].mean() for name in ("de", "fr", "mr", "so")}
    for name, score in report.languages.items():
        assert score.mean.value == pytest.approx(means[name], rel=1e-12)
        assert score.queries == (languages == name).sum()
        assert score.groups == len(set(groups[languages == name]))
    high, low = (means["de"] + means["fr"]) / 2, (means["mr"] + means["so"]) / 2
    values = [report.high_mean, report.low_mean, report.gap, report.relative_gap, report.worst, report.spread]
    expected = [high, low, high - low, 1 - low / high, min(means.values()), np.std(list(means.values()))]
    assert [estimate.value for estimate in values] == pytest.approx(expected, rel=1e-12)
    assert report.worst_language == min(means, key=means.get)
    assert all(estimate.low <= estimate.value <= estimate.high for estimate in values)


def test_intervals_are_those_of_a_loop_over_resampled_groups():
    hits, languages, groups = captions(groups=60)
    report = cross_lingual_gap(hits, languages, groups=groups, rounds=4000, **RESOURCE_GROUPS)
    totals_GL = np.stack(
        [[hits[(groups == g) & (languages == name)].sum() for name in ("de", "fr", "mr", "so")] for g in range(60)]
    )
    rng = np.random.default_rng(1)
    gaps = []
    for _ in range(4000):
        de, fr, mr, so = totals_GL[rng.integers(60, size=60)].sum(axis=0) / 180
        gaps.append((de + fr - mr - so) / 2)
    low, high = np.quantile(gaps, [0.025, 0.975])
    noise = 4 * 0.04 * np.std(gaps)  # a 2.5 % quantile of 4000 draws, twice
    assert report.gap.low == pytest.approx(low, abs=noise)
    assert report.gap.high == pytest.approx(high, abs=noise)


def test_intervals_of_independent_hits_are_those_of_scipy():
    rng = np.random.default_rng(2)
    hits = {"de": (rng.random(300) < 0.7).astype(float), "so": rng.random(250) ** 3}
    report = cross_lingual_gap(
        np.concatenate(list(hits.values())), ["de"] * 300 + ["so"] * 250, high=["de"], low=["so"], rounds=9999
    )
    for name, sample in hits.items():
        theirs = stats.bootstrap((sample,), np.mean, n_resamples=9999, method="percentile", rng=0)
        noise = 4 * 0.04 * sample.std() / np.sqrt(len(sample))
        assert report.languages[name].mean.low == pytest.approx(theirs.confidence_interval.low, abs=noise)
        assert report.languages[name].mean.high == pytest.approx(theirs.confidence_interval.high, abs=noise)


def width(estimate):
    return estimate.high - estimate.low


def test_grouping_widens_levels_and_narrows_the_gap_where_languages_rise_and_fall_together():
    hits, languages, groups = captions()
    grouped = cross_lingual_gap(hits, languages, groups=groups, rounds=2000, **RESOURCE_GROUPS)
    alone = cross_lingual_gap(hits, languages, rounds=2000, **RESOURCE_GROUPS)
    own = cross_lingual_gap(
        hits,
        languages,
        groups=[f"{name}{group}" for name, group in zip(languages, groups, strict=True)],
        rounds=2000,
        **RESOURCE_GROUPS,
    )
    assert width(grouped.low_mean) > 1.2 * width(alone.low_mean)
    assert width(own.gap) > 1.2 * width(grouped.gap)
    assert grouped.gap.value == own.gap.value == alone.gap.value


def test_order_of_queries_and_names_of_groups_do_not_matter():
    hits, languages, groups = captions()
    expected = cross_lingual_gap(hits, languages, groups=groups, rounds=500, **RESOURCE_GROUPS).to_dict()
    order = np.random.default_rng(0).permutation(len(hits))
    names = np.array([f"image-{997 * group % 120}" for group in groups])
    moved = cross_lingual_gap(
        hits[order], languages[order], groups=names[order], rounds=500, **RESOURCE_GROUPS
    ).to_dict()
    assert json.dumps(moved) == json.dumps(expected)


def test_the_seed_decides_the_draws_and_nothing_else():
    hits, languages, groups = captions()
    one, same, other = (
        cross_lingual_gap(hits, languages, groups=groups, rounds=500, seed=seed, **RESOURCE_GROUPS)
        for seed in (0, 0, 1)
    )
    assert one == same
    assert one.gap != other.gap
    assert one.gap.value == other.gap.value


def test_the_teachers_english_is_drawn_with_the_images_it_shares():
    hits, languages, groups = captions(languages=("de", "mr", "so", "teacher-en"), levels=(0.7, 0.4, 0.3, 0.75))
    options = {"high": ["de"], "low": ["mr", "so"], "groups": groups, "rounds": 1000}
    report = cross_lingual_gap(hits, languages, reference="teacher-en", **options)
    english = hits[languages == "teacher-en"].mean()
    assert report.reference.value == pytest.approx(english)
    assert report.reference_gap.value == pytest.approx(english - report.low_mean.value)
    assert report.languages["so"].reference_gap.value == pytest.approx(english - report.languages["so"].mean.value)
    assert set(report.languages) == {"de", "mr", "so"}
    rest = languages != "teacher-en"
    fixed = cross_lingual_gap(hits[rest], languages[rest], reference=english, **{**options, "groups": groups[rest]})
    assert fixed.reference_gap.value == pytest.approx(report.reference_gap.value)
    assert fixed.reference.low == fixed.reference.high == english
    assert width(report.reference_gap) < width(report.reference) + width(report.low_mean)
    assert fixed.spread.value == pytest.approx(report.spread.value)


def test_the_middle_group_is_reported_and_not_counted():
    hits, languages, _ = captions()
    levels = {"de": 5, "fr": 3, "mr": 2, "so": 1}
    report = cross_lingual_gap(
        hits, languages, rounds=100, **split_resource_groups(levels, high_from=4, low_to=2)._asdict()
    )
    assert report.languages["fr"].resource_group == "middle"
    assert report.high_mean.value == hits[languages == "de"].mean()


def test_languages_of_different_groups_are_drawn_apart_and_may_differ_in_size():
    hits, languages, groups = captions(groups=40)
    few = (languages != "so") | (groups < 5)  # 5 of 40 images have Somali: some rounds draw none of them
    report = cross_lingual_gap(hits[few], languages[few], groups=groups[few], rounds=2000, **RESOURCE_GROUPS)
    assert report.languages["so"].groups == 5
    assert 0 <= report.languages["so"].mean.low <= report.languages["so"].mean.value <= report.languages["so"].mean.high


def test_a_high_group_that_finds_nothing_has_no_relative_gap():
    report = cross_lingual_gap([0, 0, 1, 0], ["de", "de", "so", "so"], high=["de"], low=["so"], rounds=50)
    assert np.isnan(report.relative_gap.value)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["relative_gap"] == {
        "value": None,
        "low": None,
        "high": None,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"languages": ["de"] * 6}, "at least two languages, but there is only de"),
        ({"languages": ["de"] * 3 + ["ti"] * 3}, "1 of 2 languages are in no group: ti"),
        ({"low": ["yo"], "middle": ["so"]}, "no language of the low-resource group has a query: named are yo"),
        ({"hits": [1, 0, 1, 0, 1]}, r"shapes are \(5,\), \(6,\)"),
        ({"hits": [1, 0, 1, 0, np.nan, 100]}, "2 of 6 do not, 1 of them NaN"),
        ({"groups": [1, 2, 3, 4, 4, 4]}, r"1 of 2 languages have queries of one group only \(so\)"),
        ({"groups": [1, 2, 3]}, r"\(3,\)"),
        ({"groups": [1, 2, None, 4, 5, 6]}, "groups must be one string or integer a query"),
        ({"hits": [], "languages": []}, "at least one"),
        ({"confidence": 95}, "confidence must be between 0 and 1"),
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"reference": "en"}, "no query bears the reference's label 'en'; the languages are de, so"),
        ({"reference": 60}, "fraction in"),
    ],
)
def test_bad_input_is_named(change, message):
    arguments = {"hits": [1, 0, 1, 0, 1, 1], "languages": ["de"] * 3 + ["so"] * 3, "high": ["de"], "low": ["so"]}
    with pytest.raises(ValueError, match=message):
        cross_lingual_gap(**{**arguments, **change})


def test_languages_too_small_to_be_drawn_with_the_others_are_named():
    languages = ["de"] * 100 + [f"x{i}" for i in range(10) for _ in range(2)]
    groups = [*range(100), *range(20)]
    with pytest.raises(ValueError, match=r"bootstrap rounds have no group .* \(2 groups\)"):
        cross_lingual_gap(
            [1] * 120, languages, groups=groups, high=["de"], low=[f"x{i}" for i in range(10)], rounds=400
        )
