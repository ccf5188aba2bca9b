"""Resource groups from classes, counts and lists, and every way in which a language can be lost."""

import pytest

from optical_hf.metrics.resource_groups import ResourceGroups, checked_resource_groups, split_resource_groups


def test_joshi_classes_and_bitext_counts_split_alike():
    classes = {"de": 5, "fi": 4, "id": 3, "mr": 2, "so": 1}
    assert split_resource_groups(classes, high_from=4, low_to=2) == ResourceGroups(("de", "fi"), ("mr", "so"), ("id",))
    pairs = {"de": 10**8, "mr": 20_000, "so": 4_000, "fi": 10**7}
    assert split_resource_groups(pairs, high_from=10**6, low_to=10**5) == ResourceGroups(("de", "fi"), ("mr", "so"), ())


@pytest.mark.parametrize(
    ("levels", "thresholds", "message"),
    [
        ({"de": 5}, (2, 2), "low_to must be below high_from"),
        ({"de": 5, "so": float("nan"), "xx": None}, (4, 2), "2 of 3 languages have no level: so, xx"),
    ],
)
def test_levels_that_do_not_split_are_named(levels, thresholds, message):
    with pytest.raises(ValueError, match=message):
        split_resource_groups(levels, high_from=thresholds[0], low_to=thresholds[1])


def test_lists_may_name_languages_without_queries():
    resource_groups = checked_resource_groups(["so", "de"], ["de", "fr"], ["so", "mr"])
    assert resource_groups == ResourceGroups(("de",), ("so",), ())
    assert [resource_groups.group_of(language) for language in ("de", "so")] == ["high", "low"]


@pytest.mark.parametrize(
    ("present", "high", "low", "message"),
    [
        (["de", "so", "ti", "yo"], ["de"], ["so"], "2 of 4 languages are in no group: ti, yo"),
        (["de", "so"], ["de", "so"], ["so"], "1 languages are in two groups: so"),
        (
            ["de", "fr"],
            ["de", "fr"],
            ["so"],
            "no language of the low-resource group has a query: named are so, and .* de, fr",
        ),
        (["de", "fr"], [], ["de", "fr"], "no language of the high-resource group has a query: named are none"),
        (["de", "so"], "de", ["so"], r"high: expected a list, got 'de'; write \['de'\]"),
    ],
)
def test_groups_that_lose_a_language_are_named(present, high, low, message):
    with pytest.raises(ValueError, match=message):
        checked_resource_groups(present, high, low)
