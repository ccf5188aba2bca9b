"""Which languages are high-resource and which low: lists of the user's own, or a threshold on a number a language.

Classes: Joshi, Santy, Budhiraja, Bali and Choudhury, ACL 2020, arXiv:2004.09095.
"""

import math
from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from optical_hf.settings_checks import check_lists

ResourceGroup = Literal["high", "middle", "low"]


class ResourceGroups(NamedTuple):
    """Languages by resource group; the middle one is reported but is in neither mean."""

    high: tuple[str, ...]
    low: tuple[str, ...]
    middle: tuple[str, ...] = ()

    def group_of(self, language: str) -> ResourceGroup:
        """The group a language is in."""
        if language in self.high:
            return "high"
        return "low" if language in self.low else "middle"


def split_resource_groups(levels: Mapping[str, float], *, high_from: float, low_to: float) -> ResourceGroups:
    """Split languages by a number that grows with their resources.

    high = {l : level_l >= high_from}, low = {l : level_l <= low_to}, middle = the rest

    Args:
        levels: language -> Joshi class, bitext pairs, or any such number.
        high_from: The least level of the high-resource group.
        low_to: The greatest level of the low-resource group, below `high_from`.

    Returns:
        The groups; `cross_lingual_gap(hits, languages, **split_resource_groups(...)._asdict())` takes them.

    Raises:
        ValueError: Thresholds that overlap, or a level that is missing.

    Example:
        >>> split_resource_groups({"de": 5, "fi": 4, "mr": 2, "id": 3}, high_from=4, low_to=2)
        ResourceGroups(high=('de', 'fi'), low=('mr',), middle=('id',))
    """
    if not low_to < high_from:
        raise ValueError(f"low_to must be below high_from, but {low_to} >= {high_from} puts a language in both groups.")
    missing = [language for language, level in levels.items() if level is None or math.isnan(level)]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(levels)} languages have no level: {', '.join(missing)}. "
            "Give each a number or take it out."
        )
    high = tuple(language for language, level in levels.items() if level >= high_from)
    low = tuple(language for language, level in levels.items() if level <= low_to)
    return ResourceGroups(high, low, tuple(language for language in levels if language not in {*high, *low}))


def checked_resource_groups(
    present: Collection[str], high: Collection[str], low: Collection[str], middle: Collection[str] = ()
) -> ResourceGroups:
    """The resource groups of the languages that are present, each in exactly one.

    Args:
        present: Languages with queries.
        high: May name languages that are not present, as do low and middle: lists outlive data sets.
        low: See high.
        middle: See high.

    Returns:
        The groups, cut to the languages present.

    Raises:
        ValueError: A language in no group or in two, or no language in high or low.
    """
    check_lists(high=high, low=low, middle=middle)
    both = sorted(set(high) & set(low) | set(high) & set(middle) | set(low) & set(middle))
    if both:
        raise ValueError(f"{len(both)} languages are in two groups: {', '.join(both)}. Each must count once.")
    homeless = sorted(set(present) - {*high, *low, *middle})
    if homeless:
        raise ValueError(
            f"{len(homeless)} of {len(present)} languages are in no group: {', '.join(homeless)}. "
            "They would have been left out of the gap. Add each to high or low, or to middle to report it without "
            "counting it."
        )
    resource_groups = ResourceGroups(*(tuple(sorted(set(group) & set(present))) for group in (high, low, middle)))
    for name, languages, wanted in (("high", resource_groups.high, high), ("low", resource_groups.low, low)):
        if not languages:
            raise ValueError(
                f"no language of the {name}-resource group has a query: named are {', '.join(sorted(wanted)) or 'none'}, "
                f"and the queries are in {', '.join(sorted(present))}. A gap needs a language on either side."
            )
    return resource_groups
