"""The results of a study in sentences; every figure and verdict in them comes from a test.

A difference counts where its corrected p-value is below 0.05. Otherwise no difference was detected, which does not mean that
there is none: the interval says how large it may be.
"""

from collections.abc import Iterator, Sequence

from optical_hf.languages import language_info
from optical_hf.metrics.bootstrap import Estimate
from optical_hf.metrics.significance import LanguageChange
from optical_hf.study.config.study_config import OWN_INDEX
from optical_hf.study.report.study_plots import short_count
from optical_hf.study.report.study_recovery import Recovery
from optical_hf.study.report.study_table import ALL
from optical_hf.study.report.study_tests import GapTest, SizeTest, SystemTest

SIGNIFICANT = 0.05


def signed(estimate: Estimate) -> str:
    """A difference of fractions as signed points with its interval.

    Example:
        >>> signed(Estimate(-0.031, -0.05, -0.012))
        '-3.1 points [-5.0, -1.2]'
    """
    value, low, high = (100 * part for part in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.1f} points [{low:+.1f}, {high:+.1f}]"


def p_value(value: float) -> str:
    """A p-value in words.

    Example:
        >>> p_value(0.00005), p_value(0.0312)
        ('p < 0.001', 'p = 0.031')
    """
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def gap_p(test: GapTest) -> str:
    """The corrected p-value of a change of the gap, with its family."""
    exact = ", exact" if test.test == "exact" else ""
    seeds = ""
    if test.over_seeds is not None:
        seeds = f"; over seeds and queries [{100 * test.over_seeds.low:+.1f}, {100 * test.over_seeds.high:+.1f}]"
    return f"{p_value(test.p_holm)}{exact}, corrected over {test.family} tests{seeds}"


def _where(collection: str) -> str:
    return "on all collections together" if collection == ALL else f"on {collection}"


def gap_verdict(test: GapTest) -> str:
    """Which way the gap went, or that no change was detected; where the low-resource group is ahead, it does not narrow."""
    if test.p_holm >= SIGNIFICANT:
        return "no change detected"
    smaller = test.change.value < 0
    went = f"it moved in favour of the {'low' if smaller else 'high'}-resource group"
    if min(test.gap, test.other_gap) >= 0:
        went = "it narrowed" if smaller else "it widened"
    if test.over_seeds is not None and test.over_seeds.low <= 0 <= test.over_seeds.high:
        return f"{went} in these runs, no change detected over seeds"
    return went


def size_sentences(test: SizeTest) -> Iterator[str]:
    """One sentence a collection: what a larger student did to the gap and to the low-resource group."""
    larger = test.larger
    setting = f" ({larger.setting})" if larger.setting else ""
    for gap in test.gaps:
        yield (
            f"{larger.teacher}, {larger.system}{setting}: from {short_count(test.other_parameters)} to "
            f"{short_count(test.parameters)} parameters ({test.smaller.student} to {larger.student}) the gap "
            f"{_where(gap.collection)} changed by {signed(gap.change)} ({gap_p(gap)}): {gap_verdict(gap)}; R@1 of the "
            f"low-resource group changed by {signed(gap.low_change)}."
        )


def system_sentences(test: SystemTest) -> Iterator[str]:
    """How a system does against a baseline: where it is higher, where lower, and what the gap does."""
    ours, other = test.ours, test.other
    setting = f" ({ours.setting})" if ours.setting else ""
    head = f"{ours.teacher}, {ours.student}: {ours.system} against {other.system}{setting}"
    if test.languages:
        low = {key: change for key, change in test.languages.items() if change.resource_group == "low"}
        rest = {key: change for key, change in test.languages.items() if change.resource_group != "low"}
        yield f"{head}: {_tally(low, 'low-resource')}; {_tally(rest, 'other')} (p corrected over {test.family} tests)."
    if test.gaps:
        changes = "; ".join(
            f"{_where(gap.collection)} {100 * gap.gap:.1f} against {100 * gap.other_gap:.1f}, a change of {signed(gap.change)} "
            f"({gap_p(gap)}): {gap_verdict(gap)}"
            for gap in test.gaps
        )
        yield f"{head}: the gap is {changes}."


def recovery_sentences(shares: Sequence[Recovery]) -> Iterator[str]:
    """One sentence for each student: its share of re-indexing's R@1, by place and group of languages."""
    for condition in dict.fromkeys(share.condition for share in shares):
        parts = [_share(share) for share in shares if share.condition == condition]
        setting = f" ({condition.setting})" if condition.setting else ""
        yield f"{condition.teacher}, {condition.student}: {condition.system}{setting} recovers {'; '.join(parts)}."


def _share(share: Recovery) -> str:
    where, level = f"{_where(share.place)} in the {share.group}-resource group", share.level
    if level.ratio is None:
        return f"no share {where} (re-indexing finds {100 * level.other_mean:.1f} %)"
    verdict = "no difference to it detected"
    if share.p_holm < SIGNIFICANT:
        verdict = f"{'above' if level.difference.value > 0 else 'below'} it"
    interval = "" if level.ratio.low is None else f" [{100 * level.ratio.low:.1f}, {100 * level.ratio.high:.1f}]"
    return f"{100 * level.ratio.value:.1f} %{interval} of {OWN_INDEX} {where} ({verdict}, {p_value(share.p_holm)})"


def _tally(changes: dict[tuple[str, str], LanguageChange], group: str) -> str:
    """In how many (collection, language) pairs R@1 is higher, lower, or no difference was detected, and how large it may be."""
    if not changes:
        return f"no {group} language to compare"
    significant = {key: change for key, change in changes.items() if change.p_holm < SIGNIFICANT}
    higher = [key for key, change in significant.items() if change.difference.value > 0]
    lower = [key for key, change in significant.items() if change.difference.value < 0]
    rest = [change.difference for key, change in changes.items() if key not in significant]
    parts = [
        f"higher R@1 in {len(higher)} of {len(changes)} {group} tests{_named(higher)}",
        f"lower in {len(lower)}{_named(lower)}",
    ]
    if rest:
        low, high = (100 * end for end in (min(part.low for part in rest), max(part.high for part in rest)))
        parts.append(f"no difference detected in {len(rest)} (intervals within [{low:+.1f}, {high:+.1f}] points)")
    return ", ".join(parts)


def _named(keys: Sequence[tuple[str, str]]) -> str:
    named = ", ".join(f"{language_info(code).name} on {collection}" for collection, code in keys)
    return f" ({named})" if named else ""
