"""`RetrievalReport`: the results of an evaluation as data, and as JSON of schema version 2 (docs/reference/report.md).

Ranks are kept by query, so that two systems can be compared by a paired test, in one report or in two.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optical_hf.evaluation.report.language_scores import LanguageResult
from optical_hf.evaluation.searching import Found
from optical_hf.files import expand_path, write_text
from optical_hf.languages import language_info
from optical_hf.metrics.bootstrap import Estimate
from optical_hf.metrics.resource_groups import ResourceGroups

SCHEMA = "optical_hf.retrieval_report"
VERSION = 2  # 1 named the resource groups `tiers`


@dataclass(frozen=True)
class Queries:
    """The queries, one entry each: all lists have the length and order of every system's ranks."""

    ids: list[str]
    collections: list[str]
    languages: list[str]
    groups: list[str]


@dataclass(frozen=True, eq=False)
class SystemResult:
    """The results of one system.

    Args:
        languages: results by language.
        mean: mean of R@1 over the languages, each counting once.
        gap: the gap as `GapReport.to_dict` gives it; None where the languages have no gap (`RetrievalReport.no_gap` says why).
        ranks: rank of the first relevant document of each query; inf where it is deeper than the search went.
        first: id of the first document, by query; None where nothing was retrieved.
    """

    languages: dict[str, LanguageResult]
    mean: float
    gap: dict[str, Any] | None
    ranks: NDArray[np.float64]
    first: list[str | None]


@dataclass(frozen=True, eq=False)
class RetrievalReport:
    """The results of `evaluate_retrieval`: figures by system and language, the gap, and the rank of every query.

    `print_report`, `report_markdown`, `write_html`, `save_plots`, `compare_reports` and `write_trec` of
    `optical_hf.evaluation` show it.

    Args:
        systems: result by system, in the order in which they were named.
        queries: their ids, collections, languages and groups.
        resource_groups: languages of the high-resource, the low-resource and the middle group; None without a gap.
        no_gap: why there is no gap; None where there is one.
        settings: search, engine, depth, cutoffs, confidence, rounds, seed, versions.
        documents: number of documents by collection.
        recovery: R@1 of each student as a share of that of `own_index`; see `score_recovery`.
        cutoffs: whether one cut-off of the score serves all languages, by student; see `score_cutoffs`.
        english: the student against the teacher on English queries; see `score_english`. None where not both were evaluated.
        found: the best documents by system and collection, for run files and disagreements; not in the JSON.
        collections: what was searched, by name, for the same purpose; not in the JSON.
    """

    systems: dict[str, SystemResult]
    queries: Queries
    resource_groups: ResourceGroups | None
    no_gap: str | None
    settings: dict[str, Any]
    documents: dict[str, int]
    recovery: dict[str, dict[str, Any]] = field(default_factory=dict)
    english: dict[str, Any] | None = None
    cutoffs: dict[str, dict[str, Any]] = field(default_factory=dict)
    found: dict[str, dict[str, Found]] = field(default_factory=dict, repr=False)
    collections: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def languages(self) -> list[str]:
        """Languages from the most to the least resources (class of Joshi et al. 2020), then by code."""
        return sorted(set(self.queries.languages), key=lambda code: (-language_info(code).resource_class, code))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, as docs/reference/report.md describes them."""
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "settings": self.settings,
            "documents": self.documents,
            "resource_groups": self.resource_groups and self.resource_groups._asdict(),
            "no_gap": self.no_gap,
            "queries": asdict(self.queries),
            "systems": {name: _system_dict(result) for name, result in self.systems.items()},
            "recovery": self.recovery,
            "english": self.english,
            "cutoffs": self.cutoffs,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RetrievalReport":
        """Read what `to_dict` wrote.

        Raises:
            ValueError: for another schema or a version newer than this one.
        """
        if values.get("schema") != SCHEMA:
            raise ValueError(
                f"expected a report of the schema {SCHEMA!r}, got {values.get('schema')!r}: not a retrieval report"
            )
        version = values.get("version")
        if version not in (1, VERSION):
            raise ValueError(
                f"expected version {VERSION} of {SCHEMA}, got {version!r}: it would be misread; "
                "update optical-hf or evaluate again"
            )
        groups = values["tiers" if version == 1 else "resource_groups"]
        return cls(
            systems={name: _system(result) for name, result in values["systems"].items()},
            queries=Queries(**values["queries"]),
            resource_groups=groups and ResourceGroups(**{name: tuple(codes) for name, codes in groups.items()}),
            no_gap=values["no_gap"],
            settings=dict(values["settings"]),
            documents=dict(values["documents"]),
            recovery=dict(values.get("recovery") or {}),  # 0.1 wrote neither
            english=values.get("english"),
            cutoffs=dict(values.get("cutoffs") or {}),
        )

    def to_json(self, path: str | Path | None = None) -> str:
        """The report as JSON text; with a path, also written there."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)
        if path is not None:
            write_text(Path(path), text)
        return text

    @classmethod
    def from_json(cls, source: str | Path) -> "RetrievalReport":
        """Read a JSON file, or JSON text that begins with a brace.

        Raises:
            ValueError: when the file is not JSON or not a report of this schema.
        """
        inline = isinstance(source, str) and source.lstrip().startswith("{")
        named = "the text" if inline else str(source)
        try:
            text = str(source) if inline else expand_path(source).read_text(encoding="utf-8")
            values = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{named} is not JSON ({error})") from None
        if not isinstance(values, dict):
            raise ValueError(f"{named} is JSON but not a report: expected an object")
        try:
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{named}: {error}") from None
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{named} is a retrieval report that is not whole ({error!r}): evaluate again, or give another"
            ) from error


def _system_dict(result: SystemResult) -> dict[str, Any]:
    return {
        "languages": {code: asdict(language) for code, language in result.languages.items()},
        "mean": result.mean,
        "gap": result.gap,
        "ranks": [int(rank) if np.isfinite(rank) else None for rank in result.ranks],
        "first": result.first,
    }


def _system(values: Mapping[str, Any]) -> SystemResult:
    return SystemResult(
        languages={
            code: LanguageResult(**{**language, "recall_at_1": Estimate(**language["recall_at_1"])})
            for code, language in values["languages"].items()
        },
        mean=values["mean"],
        gap=values["gap"],
        ranks=np.array([np.inf if rank is None else rank for rank in values["ranks"]], dtype=np.float64),
        first=list(values["first"]),
    )
