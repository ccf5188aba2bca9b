"""`optical-hf evaluate`: R@1 by language and the gap, for a student beside other systems."""

from collections import Counter
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console

from optical_hf.cli import shared_options as options
from optical_hf.cli.ending import WrongUsageError, usage
from optical_hf.cli.index_collections import index_collection
from optical_hf.cli.named_collections import collections_of
from optical_hf.data import load_bitext
from optical_hf.evaluation import (
    RetrievalReport,
    compare_reports,
    evaluate_retrieval,
    learn_dictionaries,
    print_report,
    report_markdown,
    write_html,
    write_trec,
)
from optical_hf.evaluation.evaluation_settings import EvaluationSettings
from optical_hf.evaluation.own_index import untrained_checkpoint
from optical_hf.evaluation.systems import SystemName
from optical_hf.files import check_file, check_folder, write_text
from optical_hf.languages import canonical_language
from optical_hf.models import load_teacher
from optical_hf.models.translation.seq2seq import Translator
from optical_hf.reading.bad_rows import OnBadRow
from optical_hf.stores import open_store
from optical_hf.stores.text_search import Words


def evaluate(
    queries: Annotated[
        list[str] | None,
        typer.Option(
            help="File of queries and their English documents: swh-eng.tsv.gz, test.de.gz "
            "(with test.en.gz beside it), so=FILE, or so=FILE:2,1 by columns; give the option again for more. "
            "A further column 'english' (JSON lines, Parquet, so=FILE:question,passage) is the English original of each query, "
            "which teacher_english and student_english read. With --index: files of queries with ids, sw=topics.tsv."
        ),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=options.INDEX,
            help="The index to search: the URL of a store (docs/stores.md), or a file of texts and vectors. Needs --qrels.",
        ),
    ] = None,
    qrels: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=options.INDEX,
            help="Which document of --index answers which query, by their ids, as TREC or BEIR write it.",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="Encodes the documents: a hub id or a folder. Needed except with --index or --compare."),
    ] = None,
    student: Annotated[str | None, typer.Option(help="Encodes the queries; any sentence-transformers model.")] = None,
    other: Annotated[
        list[str] | None, typer.Option(help="A further student beside it, as NAME=FOLDER; may be repeated.")
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="What to evaluate: student, untrained, own_index (re-indexing), teacher, teacher_english, student_english, "
            "translate_query, hybrid (student and BM25), bm25; repeat it. Default: student, and own_index where the student's "
            "checkpoint is known."
        ),
    ] = None,
    untrained: Annotated[
        str | None,
        typer.Option(help="The checkpoint the student was made from: before training, and with an index of its own."),
    ] = None,
    translator: Annotated[
        list[str] | None,
        typer.Option(
            help="A transformers translation model for translate_query and bm25: a hub id or a folder, or so=NAME "
            "for one language, or so=FILE.tsv for a dictionary of it; may be repeated."
        ),
    ] = None,
    dictionary: Annotated[
        list[str] | None,
        typer.Option(
            help="Bitext files, as for train, from which dictionaries are learnt (IBM Model 1) that translate queries word "
            "by word, for translate_query and bm25 in languages that no translation model reads; repeat it."
        ),
    ] = None,
    search: options.SearchBy = None,
    words: Annotated[
        Words,
        typer.Option(
            rich_help_panel=options.INDEX,
            help="Of the system hybrid: bm25 reads all texts; store is the full-text search of PostgreSQL or LanceDB.",
        ),
    ] = "bm25",
    high: Annotated[
        list[str] | None,
        typer.Option(help="Language of the high-resource group; repeat it. Default: Joshi et al. classes."),
    ] = None,
    low: Annotated[list[str] | None, typer.Option(help="Language of the low-resource group; repeat it.")] = None,
    margin: Annotated[
        float,
        typer.Option(
            min=0.0, max=100.0, help="Points that student_english may be behind teacher_english and count as no worse."
        ),
    ] = 1.0,
    limit: options.PairLimit = None,
    on_bad_row: options.BadRow = "error",
    batch_size: Annotated[int, typer.Option(min=1, help="Texts in a batch.")] = 64,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for vectors: what was read is not read again, and a killed run goes on.")
    ] = None,
    max_seq_length: options.MaxSeqLength = None,
    query_prompt: Annotated[
        str | None, typer.Option(help="Text in front of every query the students read, in place of the one they state.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the report as Markdown, for a model card.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML page with its plots.")] = None,
    runs: Annotated[Path | None, typer.Option(help="Folder for TREC run files and qrels.")] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(help="Bitext pairs of a language, so=5101, for the page's plot of R@1 against them; repeat it."),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Compare two reports (JSON) by paired tests instead.")
    ] = None,
) -> None:
    """Measure R@1 by language and the gap between high- and low-resource languages, with confidence intervals.

    Example: optical-hf evaluate --teacher sentence-transformers/all-MiniLM-L6-v2 --student students/e5
    --queries swh-eng.tsv.gz --queries test.de.gz --html report.html

    The index one has: optical-hf evaluate --student students/e5 --index "postgresql://ann@localhost/shop?table=docs&text=body"
    --queries sw=topics.sw.tsv --queries de=topics.de.tsv --qrels qrels.txt

    Two saved reports: optical-hf evaluate --compare first.json second.json
    """
    if compare is not None:
        if queries or teacher or student or index or json or markdown or html or runs:
            raise WrongUsageError("--compare reads two reports and prints: leave the other options out")
        return print_comparison(*compare)
    with usage():
        systems = named_systems(system, untrained, [*(translator or []), *(dictionary or [])], teacher is not None)
        if (index is None) != (qrels is None):
            raise ValueError("--index and --qrels belong together: the one is searched, the other says what is right")
        if not (queries and (teacher or index) and (student or "student" not in systems)):
            raise ValueError(
                "expected --teacher, --student and --queries (or --index in place of --teacher, or --compare A.json B.json)"
            )
        if words == "store" and (index is None or "hybrid" not in systems):
            raise ValueError(
                "--words says how the system hybrid searches the words of --index: give --index and --system hybrid"
            )
        counts = options.pair_counts("--pairs", pairs)
        models = named_students(student, other)
        high, low = ([canonical_language(code) for code in group or []] or None for group in (high, low))
        settings = EvaluationSettings(
            search=search, high=high, low=low, batch_size=batch_size, margin=margin / 100, max_seq_length=max_seq_length,
            words=words, folder=cache,
        )  # fmt: skip
    for file in filter(None, (json, markdown, html)):
        check_file(file)
    if runs is not None:
        check_folder(runs)
    translators = named_translators(translator, dictionary, on_bad_row)
    store = None if index is None else open_store(index)
    collections = (
        collections_of(queries, limit, on_bad_row=on_bad_row)
        if store is None or qrels is None
        else [index_collection(store, queries, qrels, limit, on_bad_row)]
    )
    english = None if teacher is None else load_teacher(teacher)
    loaded = {name: load_teacher(path, query_prompt=query_prompt, role="student") for name, path in models.items()}
    # Beside a student it is read with that one's prompt.
    alone = untrained is not None and query_prompt is not None and "student" not in loaded
    before = load_teacher(str(untrained), query_prompt=query_prompt, role="student") if alone else untrained
    default = not (system or untrained or translator or dictionary)
    if not (system or untrained) and untrained_checkpoint(None, loaded.get("student")) is not None:
        systems.insert(1, "own_index")
    report = evaluate_retrieval(
        loaded.pop("student", None), english, collections, systems=None if default else systems, models=loaded, untrained=before,
        indexes={} if store is None else {collections[0].name: store}, translator=translators, settings=settings,
    )  # fmt: skip
    print_report(report)
    write_report(report, json, markdown, html, counts)
    if runs is not None:
        write_trec(report, runs)
        Console(highlight=False).print(f"Run files and qrels: {runs}")
    return None


def named_systems(
    systems: list[str] | None, untrained: str | None, translator: list[str] | None, teacher: bool = True
) -> list[str]:
    """The systems to evaluate; an untrained checkpoint or a translator that was named is there to be evaluated.

    By default the checkpoint also gets an index of its own. English queries of the student stand beside the teacher's. What the
    checkpoint finds in the teacher's index needs the teacher, for its width.
    """
    default = ["student", "own_index"] if untrained else ["student"]
    named = [name.replace("-", "_") for name in systems or default]
    options.check_known("--system", named, get_args(SystemName))
    if untrained and teacher and "untrained" not in named:
        named.append("untrained")
    if translator and not {"translate_query", "bm25"} & set(named):
        named.append("translate_query")
    if "student_english" in named and teacher and "teacher_english" not in named:
        named.append("teacher_english")
    return named


def named_students(student: str | None, other: list[str] | None) -> dict[str, str]:
    """Where each student is, by its name in the report.

    Raises:
        ValueError: where two have one name.
    """
    named = [("student", student)] if student else []
    named += [tuple(part.split("=", 1)) if "=" in part else (Path(part).name, part) for part in other or []]
    if twice := [name for name, count in Counter(name for name, _ in named).items() if count > 1]:
        raise ValueError(f"two students are called {twice[0]!r}: give --other another name, NAME=FOLDER")
    return dict(named)


def named_translators(
    stated: list[str] | None,
    dictionary: list[str] | None = None,
    on_bad_row: OnBadRow = "error",
) -> str | dict[str, str | Translator] | None:
    """One model for all languages, or for each one or a dictionary that is learnt from bitext.

    Raises:
        ValueError: where one of several does not say its language, or a language would have two.
    """
    if stated and len(stated) == 1 and "=" not in stated[0] and not dictionary:
        return stated[0]
    with usage():
        unsaid = [name for name in stated or [] if "=" not in name]
        if unsaid:
            raise ValueError(f"{unsaid[0]} is one of several translators: say the language of each, so={unsaid[0]}")
        named: dict[str, str | Translator] = {
            canonical_language(code): name for code, name in (part.split("=", 1) for part in stated or [])
        }
    learnt = learn_dictionaries(load_bitext(dictionary, on_bad_row=on_bad_row)) if dictionary else {}
    if twice := sorted(named.keys() & learnt.keys()):
        raise ValueError(f"{', '.join(twice)}: both a translator and bitext for a dictionary; name one of the two")
    return {**named, **learnt} or None


def print_comparison(first: Path, second: Path) -> None:
    """Print the paired comparison of two saved reports."""
    compare_reports(RetrievalReport.from_json(first), RetrievalReport.from_json(second)).print()


def write_report(
    report: RetrievalReport, json: Path | None, markdown: Path | None, html: Path | None, pairs: dict[str, int]
) -> None:
    """Write what was asked for and say where."""
    for name, path, write in (
        ("JSON", json, lambda: report.to_json(json)),
        ("Markdown", markdown, lambda: write_text(markdown, report_markdown(report))),
        ("HTML", html, lambda: write_html(report, html, pairs=pairs or None)),
    ):
        if path is not None:
            write()
            Console(highlight=False).print(f"{name} report: {path}")
