"""`StudyTable`: the runs of a study as one table, which is all that its report is made from.

`rows` is the tidy table that `runs.parquet` holds. `hits` has R@1 of every query, for the tests: a row a query, a column a run.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import pandas as pd

from optical_hf.metrics.gap import GapReport, cross_lingual_gap
from optical_hf.metrics.resource_groups import ResourceGroups
from optical_hf.study.config.grid import NO_STUDENT
from optical_hf.study.config.study_config import OWN_INDEX

ALL = "all"
"""The collection that stands for all of them together."""
QUERY = ["collection", "query", "language", "group"]
"""Levels of the index of the hits."""


class Condition(NamedTuple):
    """What runs that differ in their seed alone have in common."""

    teacher: str
    student: str
    system: str
    budget: str | None
    size: int | None

    @property
    def setting(self) -> str:
        """Bitext and budget in words."""
        pairs = [] if self.size is None else [f"{self.size:,} pairs a language"]
        return ", ".join([*pairs, *([self.budget] if self.budget else [])])


@dataclass(frozen=True, eq=False)
class StudyTable:
    """The runs of a study.

    Args:
        rows: columns of `runs_table.SCHEMA`, None where a column does not apply. A finished run has a row for every
            collection, language and metric; another one has a single row.
        hits: R@1 of every query (rows, indexed as `QUERY` says) in every finished run (columns, by the key of the run); NaN in
            collections that the run did not search.
    """

    rows: pd.DataFrame
    hits: pd.DataFrame
    _places: dict[tuple[str, ...], pd.DataFrame] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row a run, by its key: its first row, of which all but the figures hold for the run."""
        return self.rows.drop_duplicates("run").set_index("run")

    @cached_property
    def conditions(self) -> dict[Condition, list[str]]:
        """The keys of the finished runs by condition, in the order of the study."""
        found: dict[Condition, list[str]] = {}
        done = self.runs[self.runs["status"] == "done"]
        for run in done.itertuples():
            condition = Condition(*(getattr(run, name) for name in Condition._fields))
            found.setdefault(condition, []).append(str(run.Index))
        return found

    @property
    def title(self) -> str:
        """Name of the study."""
        return str(self.rows["study"].iloc[0])

    @property
    def rounds(self) -> int:
        """Rounds of the bootstrap and of random signs."""
        return int(self.rows["rounds"].iloc[0])

    @cached_property
    def resource_groups(self) -> ResourceGroups:
        """The groups of all languages."""
        of = self.rows.dropna(subset=["language"]).set_index("language")["resource_group"].to_dict()
        return ResourceGroups(*(tuple(code for code in of if of[code] == name) for name in ResourceGroups._fields))

    @cached_property
    def _searched(self) -> dict[str, set[str]]:
        """The runs that searched each collection."""
        there = self.hits.notna().groupby(level="collection", sort=False).any()
        return {str(name): set(there.columns[row]) for name, row in zip(there.index, there.to_numpy(), strict=True)}

    @cached_property
    def _seeds(self) -> dict[str, int]:
        return self.runs["seed"].to_dict()

    @cached_property
    def _trained(self) -> dict[str, bool]:
        return self.runs["trained"].to_dict()

    def collections(self, runs: Iterable[str]) -> list[str]:
        """The collections that some of these runs searched."""
        return [name for name, searched in self._searched.items() if searched & set(runs)]

    def shared_collections(self, conditions: Iterable[Condition]) -> list[str]:
        """The collections that every run with a student searched: "all collections together" means these."""
        runs = [
            run
            for one in conditions
            if one.student != NO_STUDENT and one.system != OWN_INDEX
            for run in self.conditions[one]
        ]
        return [name for name, searched in self._searched.items() if runs and searched.issuperset(runs)]

    def places(self, conditions: Iterable[Condition]) -> dict[str, list[str]]:
        """What a table or plot can be about: each collection, and several that all share together."""
        conditions = list(conditions)
        names = self.collections([run for condition in conditions for run in self.conditions[condition]])
        shared = self.shared_collections(conditions)
        return {name: [name] for name in names} | ({ALL: shared} if len(shared) > 1 else {})

    def hits_in(self, collections: Sequence[str], runs: Sequence[str]) -> pd.DataFrame:
        """Hits of these runs in these collections."""
        place = tuple(collections)
        if place not in self._places:
            self._places[place] = self.hits[self.hits.index.get_level_values("collection").isin(place)]
        return self._places[place][list(runs)]

    def mean_hits(self, condition: Condition, collections: Sequence[str]) -> pd.Series:
        """Hits by query in these collections: the mean over the seeds that searched the collection; no rows if none did."""
        return self.hits_in(collections, self.conditions[condition]).mean(axis=1).dropna()

    def gap(self, condition: Condition, collections: Sequence[str]) -> GapReport | None:
        """The gap of a condition on these collections; None where it did not search them all or they have no gap."""
        if not set(collections) <= set(self.collections(self.conditions[condition])):
            return None
        return gap_of(self.mean_hits(condition, collections), self.resource_groups, self.rounds)

    def versions(self) -> list[str]:
        """Names and versions of all that the finished runs ran with."""
        found = {text for text in self.runs["versions"] if text is not None}
        return sorted({f"{name} {version}" for text in found for name, version in json.loads(text).items()})

    def one_code(self, runs: Sequence[str]) -> bool:
        """Whether one version of this package's code made all these runs; others differ in more than their configuration."""
        return self.runs.loc[list(runs), "code"].nunique(dropna=False) == 1

    def common_seeds(
        self, ours: Condition, other: Condition, collections: Sequence[str]
    ) -> tuple[dict[int, str], dict[int, str]]:
        """Runs of two conditions by seed that searched all these collections.

        Of two conditions that learn, only the seeds that both have, so that none is compared with the luck of another seed.
        """
        searched = set.intersection(*(self._searched[name] for name in collections))
        first, second = (
            {self._seeds[run]: run for run in self.conditions[one] if run in searched} for one in (ours, other)
        )
        shared = first.keys() & second.keys()
        if shared and self.trained(ours) and self.trained(other):
            first, second = ({seed: one[seed] for seed in sorted(shared)} for one in (first, second))
        return first, second

    def paired(self, ours: Condition, other: Condition, collections: Sequence[str]) -> pd.DataFrame:
        """Hits of two conditions by query, in the columns "ours" and "other": means over their common seeds."""
        first, second = self.common_seeds(ours, other, collections)
        pair = {"ours": first, "other": second}
        return pd.DataFrame({name: self.hits_in(collections, [*of.values()]).mean(axis=1) for name, of in pair.items()})

    def own_index(self, condition: Condition) -> Condition | None:
        """Re-indexing by the checkpoint that the student of a condition was made from; None where it was not evaluated."""
        first = self.runs.loc[self.conditions[condition][0]]
        for other, runs in self.conditions.items() if first["checkpoint"] else ():
            same = self.runs.at[runs[0], "checkpoint"] == first["checkpoint"] and other.teacher == condition.teacher
            if same and OWN_INDEX == other.system != condition.system and self.one_code([first.name, *runs]):
                return other
        return None

    def trained(self, condition: Condition) -> bool:
        """Whether the system of a condition learns from bitext."""
        return self._trained[self.conditions[condition][0]]


def labels(hits: pd.DataFrame | pd.Series, level: str) -> list[str]:
    """The collection, query, language or group of each row."""
    return hits.index.get_level_values(level).tolist()


def groups_of(hits: pd.DataFrame | pd.Series, resource_groups: ResourceGroups) -> ResourceGroups | None:
    """The groups of the languages of these rows; None where they have no gap, because one of the groups has no language."""
    present = set(labels(hits, "language"))
    cut = ResourceGroups(*(tuple(code for code in group if code in present) for group in resource_groups))
    return cut if cut.high and cut.low else None


def gap_of(hits: pd.Series, resource_groups: ResourceGroups, rounds: int) -> GapReport | None:
    """The gap in these hits; None where they have none."""
    groups = groups_of(hits, resource_groups)
    if groups is None:
        return None
    return cross_lingual_gap(
        hits.to_numpy(), labels(hits, "language"), **groups._asdict(), groups=labels(hits, "group"), rounds=rounds
    )
