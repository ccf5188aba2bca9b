"""`evaluate_retrieval`: encode, search, score and report, for any number of systems, languages and collections."""

import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation.evaluation_settings import EvaluationSettings
from optical_hf.evaluation.own_index import checkpoint_name, own_index_encoder, untrained_checkpoint
from optical_hf.evaluation.report.cutoffs import score_cutoffs
from optical_hf.evaluation.report.graded_measures import graded_measures
from optical_hf.evaluation.report.language_scores import choose_resource_groups, score_gap, score_languages
from optical_hf.evaluation.report.recovery import score_english, score_recovery
from optical_hf.evaluation.report.retrieval_report import Queries, RetrievalReport, SystemResult
from optical_hf.evaluation.searching import Found
from optical_hf.evaluation.session import Session, Vectors, has_image_queries, has_images
from optical_hf.evaluation.store_index import StoreIndex, open_indexes
from optical_hf.evaluation.systems import System, SystemName, resolve_systems
from optical_hf.evaluation.translate.translators import Translator, Translators, translator_of
from optical_hf.metrics.ranking import recall_at_k
from optical_hf.models.teachers.vector_teacher import VectorTeacher
from optical_hf.models.tokens import Encoder
from optical_hf.settings_checks import check_lists, check_vectors
from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.engine_names import engine_named

logger = logging.getLogger(__name__)


def evaluate_retrieval(
    student: Encoder | None,
    teacher: Encoder | VectorTeacher | None,
    collections: RetrievalCollection | Sequence[RetrievalCollection],
    *,
    systems: Sequence[SystemName] | None = None,
    models: Mapping[str, Encoder] | None = None,
    query_vectors: Mapping[str, Mapping[str, Vectors]] | None = None,
    document_vectors: Mapping[str, Vectors] | None = None,
    indexes: Mapping[str, str | DocumentStore] | None = None,
    translator: Translator | str | Path | Translators | None = None,
    untrained: Encoder | str | Path | None = None,
    settings: EvaluationSettings | None = None,
    **fields: Any,
) -> RetrievalReport:
    """Measure how well queries in each language find their English documents or images, and the gap between languages.

    Each system encodes the queries with its query prompt, the teacher encodes the documents with its document prompt. The
    student is any sentence-transformers model, a `SentenceTransformer` or a `MultiVectorEncoder`. Both can be searched
    either way (`search`). A tie counts against the system.

    Args:
        student: reads the queries; None where only other systems are evaluated.
        teacher: encodes the documents, and English queries for the ceiling; or the vectors of both, from `load_vectors`. None if
            `document_vectors` or `indexes` has all documents.
        collections: what is searched. Languages that share documents or images belong in one collection: they are then
            resampled together. A language that occurs in several collections is scored over all of them.
        systems: of "student", "untrained", "own_index" (re-indexing), "teacher", "teacher_english" (the ceiling),
            "student_english", "translate_query", "hybrid" (with BM25), "bm25". None: "student", and
            "own_index" where the checkpoint is known.
            "student_english" beside "teacher_english" is tested for being no worse by more than `margin`.
        models: further students by name, side by side with the others.
        query_vectors: system -> collection -> vectors of the queries, in their order; the model is then not used.
        document_vectors: collection -> vectors of the documents, in their order.
        indexes: collection -> the index that its documents are in, as the URL of a store or open. It is searched in place of
            vectors of the teacher, at its own width and precision; `load_index_collection` makes its collection.
        translator: for systems that read translations the collection does not have: the hub id or folder of a
            transformers translation model, your own function of (texts, language) that returns translations, or for each
            language one of these or the .tsv file of a dictionary ({"de": ..., "so": "so.tsv"}; `learn_dictionaries`).
        untrained: the checkpoint that the student was made from, for "untrained" and "own_index": a hub id, a folder or a
            model. For "own_index" None takes what the student's backbone was loaded from, or the `base_model` of its card.
        settings: how to search, score and run; None takes the defaults of `EvaluationSettings`.
        **fields: fields of `EvaluationSettings` by name, in place of those of `settings`.

    Returns:
        The report.

    Raises:
        ValueError: no collection, unknown systems, missing columns, languages that fit no group, vectors of another
            width or count or with NaN, cutoffs beyond the depth.
        TypeError: a keyword that is no setting.

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
    models, given = models or {}, query_vectors or {}
    settings = (settings or EvaluationSettings()).changed(fields, evaluate_retrieval)
    listed = checked_collections(collections)
    stores = open_indexes(indexes or {}, document_vectors or {}, listed)
    settings = settings.for_indexes(stores).for_models(student, teacher, *models.values())
    systems, untrained, own = with_own_index(systems, student, untrained, listed)
    resolved = resolve_systems(student, teacher, systems, models, untrained)
    check_vectors(given, document_vectors or {}, [s.name for s in resolved if not s.readings], [c.name for c in listed])
    queries = list_queries(listed, settings.shared_groups)
    resource_groups, no_gap = choose_resource_groups(
        queries.languages, queries.groups, settings.high, settings.low, settings.middle
    )
    translate = None if translator is None else translator_of(translator, progress=settings.progress)
    session = Session(listed, teacher, settings, document_vectors or {}, stores, translate)
    for system in resolved:
        session.read(system, given.get(system.name, {}))
    found = {}
    for system in resolved:
        if system.readings:
            found[system.name], own = best_reading(session, system, np.array(queries.languages))
        else:
            found[system.name] = session.run(system, given.get(system.name, {}))
    ranks = {name: np.concatenate([part.ranks for part in parts]) for name, parts in found.items()}

    asked = np.array(queries.languages), np.array(queries.groups)
    bootstrap, ids, results = settings.bootstrap, [c.documents["id"][:] for c in listed], {}
    for name, parts in found.items():
        scores = score_languages(ranks[name], *asked, settings.k, bootstrap, graded_measures(listed, parts))
        ceiling = None if name == "teacher_english" else ranks.get("teacher_english")
        results[name] = SystemResult(
            languages=scores,
            mean=float(np.mean([score.recall_at_1.value for score in scores.values()])),
            gap=resource_groups
            and score_gap(ranks[name], *asked, resource_groups=resource_groups, bootstrap=bootstrap, ceiling=ceiling),
            ranks=ranks[name],
            first=[
                names[row] if row >= 0 else None
                for names, part in zip(ids, parts, strict=True)
                for row in part.documents[:, 0].tolist()
            ],
        )
    engine_name, engine = engine_named(settings.engine, session.encoding.search)
    return RetrievalReport(
        systems=results,
        queries=queries,
        resource_groups=resource_groups,
        no_gap=no_gap,
        settings={
            "search": settings.search,
            "engine": engine_name,
            "exact": engine.exact,
            **({"indexes": {name: StoreIndex(store, {}).about() for name, store in stores.items()}} if stores else {}),
            "recall_of_exact": {name: float(np.mean(shares)) for name, shares in session.agreement.items()},
            "k": list(settings.k),
            **own,
            **{name: getattr(settings, name) for name in ("depth", "confidence", "rounds", "seed")},
            "versions": {name: version(name) for name in ("torch", "transformers", "sentence-transformers")},
        },
        documents={collection.name: len(collection.documents) for collection in listed},
        recovery=score_recovery(ranks, ["student", "hybrid", *models], *asked, resource_groups, bootstrap),
        english=score_english(ranks, *asked, settings.margin, bootstrap),
        cutoffs=score_cutoffs(found, ["student", *models], asked[0], settings.confidence),
        found={name: {c.name: part for c, part in zip(listed, parts, strict=True)} for name, parts in found.items()},
        collections={collection.name: collection for collection in listed},
    )


def with_own_index(
    systems: Sequence[SystemName] | None,
    student: Encoder | None,
    untrained: Encoder | str | Path | None,
    collections: Sequence[RetrievalCollection],
) -> tuple[list[SystemName], Encoder | str | Path | None, dict[str, Any]]:
    """The systems to evaluate, the untrained checkpoint, and for the report's settings why there is no re-indexing.

    By default there is re-indexing where the checkpoint is known; if it cannot be loaded, a warning says so.
    """
    images = [collection.name for collection in collections if has_images(collection)]
    why = {"no_own_index": f"{', '.join(images)} has images, which the student's checkpoint cannot read"}
    check_lists(systems=systems)
    if systems is not None:
        left = [name for name in systems if name != "own_index" or not images]
        return left, untrained, why if len(left) < len(systems) else {}
    if untrained_checkpoint(untrained, student) is None:
        unknown = "the checkpoint that the student was made from is not known; `untrained` names it"
        return ["student"], untrained, {"no_own_index": unknown}
    if images:
        return ["student"], untrained, why
    try:
        loaded = own_index_encoder(untrained, student, None if student is None else str(student.device))
    except ValueError as error:
        if untrained is not None:
            raise
        logger.warning("re-indexing is not evaluated: %s", error)
        return ["student"], None, {"no_own_index": str(error)}
    return ["student", "own_index"], loaded, {}


def best_reading(
    session: Session, system: System, languages: NDArray[np.str_]
) -> tuple[list[Found], dict[str, dict[str, Any]]]:
    """What a re-indexing system retrieves with the better of its prompts, and for the report's settings which those are.

    The better one has the higher R@1, mean over languages, on these very queries: that favours re-indexing.

    Args:
        session: of the evaluation.
        system: with readings.
        languages: (Q,) of all queries.
    """
    means, kept = {}, {}
    for reading in system.readings:
        session.agreement.pop(system.name, None)
        parts = session.run(system._replace(readings=(reading,)), {})
        hits = recall_at_k(np.concatenate([part.ranks for part in parts]), 1)
        means[reading] = float(np.mean([hits[languages == code].mean() for code in np.unique(languages)]))
        kept[reading] = parts, session.agreement.get(system.name)
    best = max(means, key=means.__getitem__)
    parts, agreement = kept[best]
    if agreement is not None:
        session.agreement[system.name] = agreement
    tried = {reading.document: mean for reading, mean in means.items()}
    name = None if system.model is None else checkpoint_name(system.model)
    about = {"checkpoint": name, "query_prompt": best.query, "document_prompt": best.document, "tried": tried}
    return parts, {system.name: about}


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
        shared_groups = all(has_image_queries(collection) for collection in collections)
    ids, names, languages, groups = [], [], [], []
    for collection in collections:
        ids += collection.queries["id"][:]
        names += [collection.name] * len(collection.queries)
        languages += collection.queries["language"][:]
        prefix = "" if shared_groups else f"{collection.name}/"
        groups += [f"{prefix}{group}" for group in collection.queries["group"][:]]
    return Queries(ids, names, languages, groups)
