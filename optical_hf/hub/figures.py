"""The figures of a model card, from a report as a plain dict: the hub's evaluation results, R@1, recovery, English, the gap.

The dict is what `RetrievalReport.to_dict` returns (schema version 2, docs/reference/report.md).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_hub import EvalResult

from optical_hf.hub.public_names import is_local, last_part
from optical_hf.languages import language_info

Report = Mapping[str, Any]


PARTS = ("systems", "documents", "resource_groups", "no_gap", "settings")


def checked_report(report: Any) -> Report:
    """The report, if it is one.

    Raises:
        ValueError: it is something else, or lacks a part.
    """
    missing = [name for name in PARTS if name not in report] if isinstance(report, Mapping) else list(PARTS)
    if missing:
        raise ValueError(
            f"this is no retrieval report, as it has no {', '.join(missing)}: give RetrievalReport.to_dict(), or the file that "
            "optical-hf evaluate --json wrote"
        )
    return report


def eval_results(report: Report, system: str) -> list[EvalResult]:
    """R@1 by language and the gap of one system, as fractions, for the `model-index` of the metadata."""
    where, found = _collections(report), report["systems"][system]

    def result(config: str, spoken: str, metric: str, name: str, value: float) -> EvalResult:
        return EvalResult(
            task_type="information-retrieval",
            task_name="Cross-lingual retrieval",
            dataset_type="unknown",
            dataset_name=f"{where}, {spoken}",
            dataset_config=config,
            metric_type=metric,
            metric_name=name,
            metric_value=round(value, 4),
        )

    results = [
        result(code, f"queries in {language_info(code).name}", "recall_at_1", "R@1", language["recall_at_1"]["value"])
        for code, language in found["languages"].items()
    ]
    if found["gap"] is not None:
        name = "R@1 gap, high-resource minus low-resource languages"
        results.append(result("all", "all languages", "recall_at_1_gap", name, found["gap"]["gap"]["value"]))
    return results


def recall_table(report: Report) -> str:
    """R@1 in percent with intervals, a row a language, a column a system of the report."""
    systems = {name: report["systems"][name] for name in _side_by_side(list(report["systems"]))}
    groups = {code: group for group, members in (report["resource_groups"] or {}).items() for code in members}
    rows = []
    for code in dict.fromkeys(code for system in systems.values() for code in system["languages"]):
        found = [system["languages"].get(code) for system in systems.values()]
        queries = next(language["queries"] for language in found if language)
        levels = [_percent(language["recall_at_1"]) if language else "–" for language in found]
        rows.append([f"{language_info(code).name} ({code})", groups.get(code, "–"), f"{queries:,}", *levels])
    rows.append(["mean over languages", "", "", *(f"{100 * system['mean']:.1f}" for system in systems.values())])
    note = f"R@1 in percent, with {100 * report['settings']['confidence']:g} % intervals, on {_collections(report)}."
    return f"{note}\n\n{table(['language', 'group', 'queries', *map(last_part, systems)], rows)}"


def recovery_text(report: Report, system: str) -> str:
    """A system's share of re-indexing's R@1, by group of languages, or by language where there are no groups; or why there is none.

    Example:
        >>> recovery_text({"settings": {}}, "student")
        'Re-indexing was not measured.'
    """
    found, about = report.get("recovery", {}).get(system), report["settings"].get("own_index")
    if not found or about is None:
        why = report["settings"].get("no_own_index", "")
        words = filter(None, (word.strip("'\",:;()") for word in why.split()))
        return "Re-indexing was not measured." if not why or any(map(is_local, words)) else f"No re-indexing: {why}."
    groups = {key: found[key] for key in ("high", "low") if key in found} or found
    rows = [
        [
            f"{key}-resource group" if key in ("high", "low") else f"{language_info(key).name} ({key})",
            *(f"{100 * row[name]:.1f}" for name in ("mean", "other_mean")),
            "–" if row["ratio"] is None else _percent(row["ratio"]),
        ]
        for key, row in groups.items()
    ]  # fmt: skip
    checkpoint = f"`{last_part(about['checkpoint'])}`" if about["checkpoint"] else "the checkpoint it was made from"
    note = (
        f"Re-indexing (own_index): {checkpoint}, without training, reads the documents too. Recovery is R@1 of "
        f"{last_part(system)} in the teacher's index as a share of that, in percent; above 100 the teacher's index wins."
    )
    return f"{note}\n\n{table(['languages', last_part(system), 'own_index', 'recovery'], rows)}"


def english_sentence(report: Report, system: str) -> str | None:
    """The student beside the teacher on English queries; None where not both were evaluated, or for another system."""
    english = report.get("english")
    if english is None or system != "student":
        return None
    row = english["rows"].get("mean") or next(iter(english["rows"].values()))
    difference = {name: row["difference"][name] for name in ("value", "low", "high")}
    points = f"{100 * english['margin']:g}"
    margin = "1 point" if points == "1" else f"{points} points"
    verdict = f"no more than {margin} behind it" if row["not_inferior"] else f"not shown to be within {margin} of it"
    return (
        f"English queries: the student has an R@1 of {100 * row['mean']:.1f}, the teacher {100 * row['other_mean']:.1f}. The "
        f"difference is {_percent(difference)} points: the student is {verdict}."
    )


def _side_by_side(names: Sequence[str]) -> list[str]:
    """The systems in their order, but English read by the student behind English read by the teacher."""
    if not {"student_english", "teacher_english"} <= set(names):
        return list(names)
    rest = [name for name in names if name != "student_english"]
    place = rest.index("teacher_english") + 1
    return [*rest[:place], "student_english", *rest[place:]]


def gap_sentence(report: Report, system: str) -> str:
    """The R@1 gap of one system with what it is made of, or why there is none."""
    gap = report["systems"][system]["gap"]
    if gap is None:
        return f"No R@1 gap: {report['no_gap']}."
    worst = language_info(gap["worst_language"]).name
    return (
        f"The R@1 gap of {last_part(system)} is {_percent(gap['gap'])} points: {_percent(gap['high_mean'])} in the high-resource "
        f"languages less {_percent(gap['low_mean'])} in the low-resource ones. The worst language is {worst}, "
        f"{_percent(gap['worst'])}."
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are figures.

    Example:
        >>> print(table(["language", "pairs"], [["Somali", "5,101"]]))
        | language | pairs |
        | --- | ---: |
        | Somali | 5,101 |
    """
    ruler = ["---", *("---:" for _ in heads[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, ruler, *rows])


def _collections(report: Report) -> str:
    return ", ".join(map(last_part, report["documents"]))


def _percent(estimate: Mapping[str, float | None]) -> str:
    """A fraction in percent, with its interval where it has one."""
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if value is None:
        return "–"
    interval = f" [{100 * low:.1f}, {100 * high:.1f}]" if low is not None and high is not None else ""
    return f"{100 * value:.1f}{interval}"
