"""From the folders of a study's runs to its table, and the table's file `runs.parquet`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from optical_hf.evaluation import RetrievalReport
from optical_hf.evaluation.report.language_scores import HIGH_FROM, LOW_TO
from optical_hf.files import write_whole
from optical_hf.languages import language_info
from optical_hf.metrics.ranking import recall_at_k
from optical_hf.metrics.resource_groups import ResourceGroup, ResourceGroups, split_resource_groups
from optical_hf.study.config.grid import NO_STUDENT, RunConfig
from optical_hf.study.config.study_config import StudyConfig
from optical_hf.study.report.study_table import ALL, QUERY, StudyTable, gap_of
from optical_hf.study.run.launching import RunFolder
from optical_hf.study.run.run_cost import CODE
from optical_hf.study.run.running import RESULT, RunResult

TEXT, WHOLE, REAL, YES = pa.string(), pa.int64(), pa.float64(), pa.bool_()
SCHEMA = pa.schema(
    [
        *[(name, TEXT) for name in ("study", "run", "status", "error", "teacher", "student", "system", "losses")],
        *[(name, TEXT) for name in ("alignment", "budget")],
        *[(name, WHOLE) for name in ("size", "seed", "pairs", "documents")],
        *[(name, TEXT) for name in ("collection", "language", "resource_group")],
        ("language_pairs", WHOLE),
        ("metric", TEXT),
        *[(name, REAL) for name in ("value", "low", "high")],
        *[(name, WHOLE) for name in ("queries", "groups", "parameters", "backbone_parameters", "steps")],
        *[(name, REAL) for name in ("flops", "seconds", "seconds_fit", "seconds_train", "seconds_evaluate")],
        *[(name, WHOLE) for name in ("peak_memory_bytes", "processes")],
        *[(name, TEXT) for name in ("finished", "versions", "config", "label", "family", "checkpoint", "code")],
        *[("trained", YES), ("baseline", WHOLE), ("rounds", WHOLE)],
    ]
)
"""Columns of the table. Shares are fractions; `versions` and `config` are JSON; `family` is what students of several sizes have in
common; `checkpoint` is what its re-indexing is read by; `baseline` is the place of the system among the baselines."""


def read_table(config: StudyConfig, entries: Sequence[RunFolder]) -> StudyTable:
    """The table of a study, from the folders of its runs.

    Raises:
        ValueError: two runs searched one collection with other queries.
    """
    rows: list[dict[str, Any]] = []
    hits: dict[str, dict[str, pd.Series]] = {}
    for entry in entries:
        known = _described(config, entry)
        if entry.status != "done":
            rows.append(known)
            continue
        result = RunResult(**json.loads((entry.folder / RESULT).read_text(encoding="utf-8")))
        reports = {name: RetrievalReport.from_json(entry.folder / file) for name, file in result.reports.items()}
        mine = {name: _hits(name, report) for name, report in reports.items()}
        rows += [known | _cost(result) | figure for figure in _figures(config, result, reports, mine)]
        for name, found in mine.items():
            hits.setdefault(name, {})[entry.run.key] = found
    full = [dict.fromkeys(SCHEMA.names) | row for row in rows]
    return StudyTable(pd.DataFrame(full, columns=SCHEMA.names, dtype=object), _hits_table(hits))


def write_table(table: StudyTable, path: Path) -> None:
    """Write the rows of the table as Parquet, whole or not at all."""
    rows = pa.Table.from_pandas(table.rows, schema=SCHEMA, preserve_index=False)
    write_whole(path, lambda beside: pq.write_table(rows, beside))


def resource_group_of(config: StudyConfig, code: str) -> ResourceGroup:
    """The group of a language: as the study lists it, else by its class (Joshi et al. 2020).

    With one list alone the other languages are the other group; with two they are in neither. As in `evaluate_retrieval`.
    """
    listed: dict[ResourceGroup, tuple[str, ...]] = {
        "high": config.high or (),
        "low": config.low or (),
        "middle": config.middle,
    }
    for name, codes in listed.items():
        if code in codes:
            return name
    if config.high is None and config.low is None:
        return split_resource_groups(
            {code: language_info(code).resource_class}, high_from=HIGH_FROM, low_to=LOW_TO
        ).group_of(code)
    if config.high is None:
        return "high"
    return "low" if config.low is None else "middle"


def _hits(collection: str, report: RetrievalReport) -> pd.Series:
    """R@1 of the queries of a report with one system; groups are named by the collection, too."""
    queries, (system,) = report.queries, report.systems.values()
    names = [f"{part}\t{key}" for part, key in zip(queries.collections, queries.ids, strict=True)]
    groups = [f"{collection}/{group}" for group in queries.groups]
    index = pd.MultiIndex.from_arrays([[collection] * len(names), names, queries.languages, groups], names=QUERY)
    return pd.Series(recall_at_k(system.ranks, 1), index)


def _hits_table(hits: Mapping[str, Mapping[str, pd.Series]]) -> pd.DataFrame:
    parts = [pd.DataFrame(index=pd.MultiIndex.from_arrays([[]] * len(QUERY), names=QUERY))]
    for name, runs in hits.items():
        part = pd.concat(runs, axis=1)
        if part.isna().any(axis=None):
            raise ValueError(
                f"the runs of this study searched {name} with other queries, so they cannot be compared: "
                "start the study with another output"
            )
        parts.append(part)
    return pd.concat(parts[1:] or parts)


def _described(config: StudyConfig, entry: RunFolder) -> dict[str, Any]:
    run, student = entry.run, entry.run.student
    return {
        "study": config.name,
        "run": run.key,
        "status": entry.status,
        "error": entry.error or None,
        "teacher": run.teacher.name,
        "student": student.name if student else NO_STUDENT,
        "system": run.system.name,
        "losses": run.system.losses,
        "alignment": run.system.alignment,
        "budget": run.budget.name if run.budget else None,
        "size": run.size,
        "seed": run.seed,
        "config": json.dumps(run.to_dict(), ensure_ascii=False, sort_keys=True),
        "label": run.label,
        "family": _family(run),
        "checkpoint": student.path if student and student.random is None else None,
        "trained": run.system.trained,
        "baseline": config.baselines.index(run.system.name) if run.system.name in config.baselines else None,
        "rounds": config.rounds,
    }


def _family(run: RunConfig) -> str | None:
    """What students that differ in their size alone have in common."""
    if run.student is None:
        return None
    weights = "pretrained" if run.student.random is None else "random"
    return f"{run.student.path}, {weights}" + (", mixed layers" if run.student.mixed_layers is not None else "")


def _cost(result: RunResult) -> dict[str, Any]:
    return {
        "pairs": sum(result.pairs.values()),
        "documents": result.documents,
        "parameters": result.parameters,
        "backbone_parameters": result.backbone_parameters,
        "steps": result.steps,
        "flops": sum(result.flops.values()),
        "seconds": result.seconds["total"],
        **{f"seconds_{part}": result.seconds.get(part, 0.0) for part in ("fit", "train", "evaluate")},
        "peak_memory_bytes": result.peak_memory_bytes,
        "processes": result.processes,
        "finished": result.finished,
        "versions": json.dumps(result.versions),
        "code": result.versions.get(CODE),
    }


def _figures(
    config: StudyConfig, result: RunResult, reports: Mapping[str, RetrievalReport], hits: Mapping[str, pd.Series]
) -> Iterator[dict[str, Any]]:
    for collection, report in reports.items():
        (system,) = report.systems.values()
        for code, language in system.languages.items():
            known = {
                "collection": collection,
                "language": code,
                "resource_group": resource_group_of(config, code),
                "language_pairs": result.pairs.get(code, 0),
                "queries": language.queries,
                "groups": language.groups,
            }
            graded = result.measures.get(collection, {}).get(code, {})  # runs of 0.1 kept them beside the report
            for metric, value in {**language.measures, **graded}.items():
                ends = {"low": language.recall_at_1.low, "high": language.recall_at_1.high} if metric == "R@1" else {}
                yield {**known, "metric": metric, "value": value, **ends}
        yield from _gap(config, collection, hits[collection])
    if len(reports) > 1:
        yield from _gap(config, ALL, pd.concat(list(hits.values())))


def _gap(config: StudyConfig, collection: str, hits: pd.Series) -> Iterator[dict[str, Any]]:
    """The rows of the gap in one place, and of the two means it is made of."""
    group = {code: resource_group_of(config, code) for code in hits.index.unique("language")}
    resource_groups = ResourceGroups(
        *(tuple(code for code in group if group[code] == name) for name in ResourceGroups._fields)
    )
    gap = gap_of(hits, resource_groups, config.rounds)
    if gap is None:
        return
    known = {"collection": collection, "queries": len(hits), "groups": hits.index.unique("group").size}
    estimates = {"R@1 high group": gap.high_mean, "R@1 low group": gap.low_mean, "R@1 gap": gap.gap}
    for metric, estimate in estimates.items():
        yield {**known, "metric": metric, "value": estimate.value, "low": estimate.low, "high": estimate.high}
