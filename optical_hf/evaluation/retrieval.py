"""`evaluate_retrieval`: encode, search, score, report, for any number of systems, languages and collections at once.

Orchestrates; what is done is in the modules it calls. Knows nothing about training.
"""

from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation.encode.encoding import Encoding, Search
from optical_hf.evaluation.encode.processes import Processes
from optical_hf.evaluation.report.language_scores import Bootstrap, choose_tiers, score_gap, score_languages
from optical_hf.evaluation.report.retrieval_report import Queries, RetrievalReport, SystemResult
from optical_hf.evaluation.searching import Found
from optical_hf.evaluation.session import Session, Vectors, asks_with_images
from optical_hf.evaluation.systems import SystemName, resolve_systems
from optical_hf.evaluation.translate.seq2seq import Translator, Translators, translator_of
from optical_hf.files import check_folder
from optical_hf.models.tokens import Encoder
from optical_hf.settings_checks import check_cutoffs, check_vectors
from optical_hf.stores.engine_names import EngineName, engine_named
from optical_hf.stores.search_engine import SearchEngine


def evaluate_retrieval(
    student: Encoder | None,
    teacher: Encoder | None,
    collections: RetrievalCollection | Sequence[RetrievalCollection],
    *,
    systems: Sequence[SystemName] = ("student",),
    models: Mapping[str, Encoder] | None = None,
    search: Search = "vector",
    engine: EngineName | SearchEngine = "exact",
    high: Collection[str] | None = None,
    low: Collection[str] | None = None,
    middle: Collection[str] = (),
    k: Sequence[int] = (1, 5, 10),
    depth: int = 100,
    query_vectors: Mapping[str, Mapping[str, Vectors]] | None = None,
    document_vectors: Mapping[str, Vectors] | None = None,
    translator: Translator | str | Path | Translators | None = None,
    untrained: Encoder | str | Path | None = None,
    batch_size: int = 64,
    folder: str | Path | None = None,
    piece: int = 8192,
    sharded: bool = True,
    shared_groups: bool | None = None,
    confidence: float = 0.95,
    rounds: int = 10_000,
    seed: int = 0,
    progress: bool = True,
) -> RetrievalReport:
    """Measure how well queries in each language find their English documents or images, and the gap between languages.

    Queries are encoded by each system with its query prompt, documents by the teacher with its document prompt. Any
    sentence-transformers model can be the student: a `SentenceTransformer` or a `MultiVectorEncoder`, each also as the
    other (`search`). A tie counts against the system.

    Args:
        student: reads the queries; None where only other systems are asked for.
        teacher: encodes the documents and reads English queries for the ceiling; None if `document_vectors` has all.
        collections: what is searched. Languages that share documents or images belong in one collection: they are then
            resampled together. A language that occurs in several collections is scored over all of them.
        systems: of "student", "untrained", "teacher", "teacher_english" (the ceiling), "translate_query", "bm25".
        models: further students by name, side by side with the others.
        search: "vector" (one a text; inner product or cosine as the teacher says) or "maxsim" (late interaction).
        engine: "exact", another name of `optical_hf.stores.engine_names`, or an engine's settings.
        high: languages of the high tier; None takes the classes 4 and 5 of Joshi et al. 2020, or what `low` leaves.
        low: languages of the low tier; None takes the classes 0 to 2, or what `high` leaves.
        middle: languages to report that are in neither.
        k: cutoffs of R@k.
        depth: how many documents a query may find; a right one beyond it, or tied with the next beyond it, is not found.
        query_vectors: system -> collection -> vectors of the queries, in their order: the model is then not asked.
        document_vectors: collection -> vectors of the documents, in their order.
        translator: for systems that read translations the collection does not have: the hub id or folder of a
            transformers translation model, your own function of (texts, language) that returns translations, or for each
            language one of these or the .tsv file of a dictionary ({"de": ..., "so": "so.tsv"}; `learn_dictionaries`).
        untrained: the student's backbone before training, for the system "untrained": a hub id, a folder or a model.
        batch_size: texts in one forward pass.
        folder: where vectors are kept on disk, so that memory is flat in the number of documents and a killed run
            resumes; None keeps them in memory.
        piece: texts or images encoded at a time: what memory holds, a killed run may lose, and processes share out.
        sharded: share the work among the processes of `accelerate launch`; all of them must call this, and all get the
            same report. False: each process evaluates alone.
        shared_groups: whether a group name means the same thing in all collections (the image, where each language has a
            collection of its own), so that it is resampled once for all; None says so where the queries are images.
        confidence: of the intervals.
        rounds: of the bootstrap.
        seed: of the bootstrap.
        progress: show progress bars while encoding.

    Returns:
        The report.

    Raises:
        ValueError: no collection, unknown systems, missing columns, languages that fit no tier, vectors of another
            width or count or with NaN, cutoffs beyond the depth.

    Example:
        >>> collection = RetrievalCollection.from_lines("demo", {"de": ["ein Hund", "ein Haus"]}, ["a dog", "a house"])
        >>> documents, queries = np.eye(2), np.array([[0.9, 0.1], [0.8, 0.2]])
        >>> report = evaluate_retrieval(
        ...     None, None, collection, document_vectors={"demo": documents},
        ...     query_vectors={"student": {"demo": queries}},
        ... )
        >>> report.systems["student"].languages["de"].recall_at_1.value
        0.5
    """
    listed = checked_collections(collections)
    check_cutoffs(k, depth)
    given = query_vectors or {}
    encoding = Encoding(
        search, by_cosine(teacher), batch_size, piece, None if folder is None else check_folder(folder), progress
    )
    bootstrap = Bootstrap(confidence, rounds, seed)
    engine_name, settings = engine_named(engine, search)
    resolved = resolve_systems(student, teacher, systems, models or {}, untrained)
    named = [collection.name for collection in listed]
    check_vectors(given, document_vectors or {}, [system.name for system in resolved], named)
    queries = list_queries(listed, shared_groups)
    languages, groups = np.array(queries.languages), np.array(queries.groups)
    tiers, no_gap = choose_tiers(queries.languages, queries.groups, high, low, middle)
    session = Session(
        listed,
        teacher,
        encoding,
        settings,
        depth,
        Processes.started() if sharded else Processes(),
        document_vectors or {},
        None if translator is None else translator_of(translator, progress=progress),
    )
    for system in resolved:
        session.read(system, given.get(system.name))
    found = {system.name: session.run(system, given.get(system.name)) for system in resolved}
    ranks = {name: np.concatenate([part.ranks for part in parts]) for name, parts in found.items()}
    ceiling = ranks.get("teacher_english")
    results = {}
    for name, parts in found.items():
        scores = score_languages(ranks[name], languages, groups, k, bootstrap)
        gap = None
        if tiers is not None:
            reference = None if name == "teacher_english" else ceiling
            gap = score_gap(ranks[name], languages, groups, tiers=tiers, bootstrap=bootstrap, ceiling=reference)
        results[name] = SystemResult(
            languages=scores,
            mean=float(np.mean([score.recall_at_1.value for score in scores.values()])),
            gap=gap,
            ranks=ranks[name],
            first=_first(listed, parts),
        )
    return RetrievalReport(
        systems=results,
        queries=queries,
        tiers=tiers,
        no_gap=no_gap,
        settings={
            "search": search,
            "engine": engine_name,
            "exact": settings.exact,
            "recall_of_exact": {name: float(np.mean(shares)) for name, shares in session.agreement.items()},
            "depth": depth,
            "k": list(k),
            "confidence": confidence,
            "rounds": rounds,
            "seed": seed,
            "versions": {name: version(name) for name in ("torch", "transformers", "sentence-transformers")},
        },
        documents={collection.name: len(collection.documents) for collection in listed},
        found={
            name: {collection.name: part for collection, part in zip(listed, parts, strict=True)}
            for name, parts in found.items()
        },
        collections={collection.name: collection for collection in listed},
    )


def checked_collections(
    collections: RetrievalCollection | Sequence[RetrievalCollection],
) -> list[RetrievalCollection]:
    """The collections as a list, each with a name of its own (ValueError otherwise)."""
    listed = [collections] if isinstance(collections, RetrievalCollection) else list(collections)
    names = [collection.name for collection in listed]
    if not listed:
        raise ValueError("expected at least one collection, got none")
    if len(set(names)) < len(names):
        raise ValueError(
            f"two collections have one name ({', '.join(names)}): their results would be mixed up; rename one"
        )
    return listed


def list_queries(collections: Sequence[RetrievalCollection], shared_groups: bool | None = None) -> Queries:
    """All queries; unless groups are shared, equal group names of two collections stay two groups."""
    if shared_groups is None:
        shared_groups = all(asks_with_images(collection) for collection in collections)
    ids, names, languages, groups = [], [], [], []
    for collection in collections:
        ids += collection.queries["id"][:]
        names += [collection.name] * len(collection.queries)
        languages += collection.queries["language"][:]
        prefix = "" if shared_groups else f"{collection.name}/"
        groups += [f"{prefix}{group}" for group in collection.queries["group"][:]]
    return Queries(ids, names, languages, groups)


def _first(collections: Sequence[RetrievalCollection], parts: Sequence[Found]) -> list[str | None]:
    first: list[str | None] = []
    for collection, part in zip(collections, parts, strict=True):
        ids = collection.documents["id"][:]
        first += [ids[row] if row >= 0 else None for row in part.documents[:, 0].tolist()]
    return first


def by_cosine(teacher: Encoder | None) -> bool:
    """Whether single vectors are compared by cosine, as the teacher says; vectors without a teacher are."""
    name = "cosine" if teacher is None else str(teacher.similarity_fn_name)
    if name in ("euclidean", "manhattan"):
        raise ValueError(f"the teacher compares by {name} distance; search here is by cosine or inner product")
    return name != "dot"
