"""Cells of a study: the runs that differ in their draw alone, and what they found together.

Draws are put together by query: a query's hit is the share of the draws that found it, so whoever asks a cell asks about queries
and not about draws. Draws of one cell may have searched different collections. Knows nothing about tests, tables or pictures.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from optical_hf.metrics.significance import align_queries
from optical_hf.study.config.grid import NO_STUDENT
from optical_hf.study.report.runs_table import ALL, FinishedRun, Hits, together
from optical_hf.study.run.run_cost import CODE


class Cell(NamedTuple):
    """Runs that differ in their seed alone."""

    teacher: str
    student: str
    system: str
    budget: str | None
    size: int | None

    @property
    def setting(self) -> str:
        """Bitext and budget in words."""
        pairs = () if self.size is None else (f"{self.size:,} pairs a language",)
        return ", ".join([*pairs, *([self.budget] if self.budget else [])])


Cells = dict[Cell, list[FinishedRun]]


def cells_of(runs: Sequence[FinishedRun]) -> Cells:
    """Group runs by all but their seed."""
    cells: Cells = {}
    for done in runs:
        run = done.run
        cell = Cell(
            run.teacher.name,
            run.student.name if run.student else NO_STUDENT,
            run.system.name,
            run.budget.name if run.budget else None,
            run.size,
        )
        cells.setdefault(cell, []).append(done)
    return cells


def one_code(*cells: Sequence[FinishedRun]) -> bool:
    """Whether all these runs were made by one version of the package's code; others differ in more than their configuration."""
    return len({done.result.versions.get(CODE) for runs in cells for done in runs}) == 1


def collections_of(runs: Iterable[FinishedRun]) -> list[str]:
    """The collections that some of these runs searched."""
    return list(dict.fromkeys(name for done in runs for name in done.reports))


def shared_collections(cells: Cells) -> list[str]:
    """The collections that every run with a student searched: what "all collections together" means in a study."""
    runs = [done for cell, runs in cells.items() if cell.student != NO_STUDENT for done in runs]
    return [name for name in collections_of(runs) if all(name in done.reports for done in runs)]


def places(cells: Cells) -> dict[str, list[str]]:
    """What a table or a picture can be about: each collection, and those that all share together, where they are several."""
    names = collections_of(chain.from_iterable(cells.values()))
    shared = shared_collections(cells)
    return {name: [name] for name in names} | ({ALL: shared} if len(shared) > 1 else {})


def searched(runs: Sequence[FinishedRun], collections: Sequence[str]) -> bool:
    """Whether each of these collections was searched by some of the runs."""
    return set(collections) <= set(collections_of(runs))


def mean_hits(runs: Sequence[FinishedRun], collections: Sequence[str]) -> Hits:
    """Hits of a cell, query by query: the mean over the draws that searched the collection."""
    parts = {name: _mean([done.hits(name) for done in runs if name in done.reports]) for name in collections}
    return together(parts) if len(parts) > 1 else parts.popitem()[1]


def _mean(draws: Sequence[Hits]) -> Hits:
    first, *others = draws
    total = first.hits.copy()
    for other in others:
        total += other.hits[align_queries(first.ids, other.ids)]
    return Hits(first.ids, first.languages, first.groups, total / len(draws))


def same_draws(
    runs: Sequence[FinishedRun], others: Sequence[FinishedRun]
) -> tuple[Sequence[FinishedRun], Sequence[FinishedRun]]:
    """Of two cells that learn, the runs whose draw both have, so that none is compared with the luck of another draw."""
    shared = {done.run.seed for done in runs} & {done.run.seed for done in others}
    if not shared or not (runs[0].run.system.trained and others[0].run.system.trained):
        return runs, others
    first, second = ([done for done in cell if done.run.seed in shared] for cell in (runs, others))
    return first, second
