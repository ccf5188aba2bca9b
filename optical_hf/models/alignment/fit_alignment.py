"""Alignment of a frozen backbone: put a student's tokens, or its one vector, where the teacher's are.

"ridge" and "transport" are closed forms; "contrastive" goes on from either with gradient steps of the map (`contrastive_map.py`).

The objective is that of OPTICAL (Huang, Yu, Allan, WSDM 2023, arXiv:2301.12566): the transport cost between the token sets of
translated pairs. Here the student's backbone is frozen and its projection linear. Two steps alternate: (1) plans under the
current projection, (2) weighted ridge regression of student tokens on the barycentres of the teacher tokens under the plans.
The start is ridge regression of pooled vectors (Mikolov, Le, Sutskever 2013, arXiv:1309.4168, on sentences), whose normal
equations stay in the sum. The student reads the English sides too, as one more language.

Shapes: B pairs, N student tokens, M teacher tokens, D student width, K teacher width.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

from datasets import Dataset

from optical_hf.models.alignment.alignment_checks import (
    Bitext,
    check_choices,
    check_inputs,
    check_ranges,
    checked_teacher,
)
from optical_hf.models.alignment.alignment_report import AlignmentReport, Method, Plans, Start
from optical_hf.models.alignment.contrastive_map import fit_contrastive
from optical_hf.models.alignment.contrastive_rows import contrastive_rows, of_english
from optical_hf.models.alignment.contrastive_tokens import BY_TOKENS, fit_contrastive_tokens
from optical_hf.models.alignment.english_texts import EnglishTexts
from optical_hf.models.alignment.first_pass import FirstPass, read_pooled, read_tokens
from optical_hf.models.alignment.held_out import held_out_score, split_held_out
from optical_hf.models.alignment.index_documents import MAX_DOCUMENTS, Documents, DocumentVectors
from optical_hf.models.alignment.map_descent import ContrastiveMap, ContrastiveSettings
from optical_hf.models.alignment.packed_tokens import TOKENS_PER_TEXT
from optical_hf.models.alignment.pair_tokens import PairTokenReader
from optical_hf.models.alignment.pooled_texts import PooledTexts
from optical_hf.models.alignment.projection_fit import assign_projection, checked_projection, fit_closed_form
from optical_hf.models.alignment.ridge_penalty import POOLED_WEIGHTS, Selection
from optical_hf.models.alignment.token_rows import DocumentTokens, PackedPairs, token_rows
from optical_hf.models.known_languages import record_languages
from optical_hf.models.teachers.language_teachers import AnyTeacher, as_teacher
from optical_hf.models.teachers.teacher import EncoderTeacher, Teacher
from optical_hf.models.tokens import Encoder
from optical_hf.models.views import as_backbone, kind_of


def fit_alignment(
    student: Encoder,
    teacher: AnyTeacher,
    bitext: Bitext | None = None,
    *,
    documents: Documents | None = None,
    query_texts: Documents | None = None,
    relevance_pairs: Dataset | None = None,
    method: Method = "contrastive",
    rounds: int = 3,
    epsilon: float = 0.02,
    regularisation: float | Selection = "held_out_pairs",
    also_english: bool = True,
    pooled_weight: float | None = None,
    plans: Plans = "direct",
    start: Start | None = None,
    temperature: float | None = None,
    steps: int | None = None,
    queries_per_step: int | None = None,
    negatives: int | None = None,
    learning_rate: float | None = None,
    tokens_per_text: int = TOKENS_PER_TEXT,
    document_share: float = 0.5,
    pseudo_foreign: float = 1.0,
    max_documents: int = MAX_DOCUMENTS,
    document_sentences: bool = False,
    query_share: float = 0.25,
    student_tokens: Teacher | None = None,
    held_out: int = 0,
    cache: str | PathLike[str] | None = None,
    batch_size: int = 64,
    memory_budget: int = 2 * 2**30,
    seed: int = 0,
    progress: bool = True,
) -> AlignmentReport:
    """Fit the student's token projection in place; its backbone stays as it is.

    Args:
        student: from `load_student`; its `token_projection` gets new weights, nothing else moves.
        teacher: the frozen teacher, of the width the projection gives; or a token cache of one, its vectors (`load_vectors`), or a
            dict of teachers by language (all of these without `held_out`).
        bitext: rows with `source` (English), `target` and maybe `language`: from `load_bitext`, or anything that can be iterated
            again ("transport" reads it once a round where its tokens exceed `memory_budget`). None needs `documents`.
        documents: English texts of the index: a list, or a `Dataset` with a column `text` and maybe `vector` (from
            `load_documents`). The student learns to read each where its vector in the index is; without a column `vector` the
            teacher reads the texts as documents. Not for "transport".
        query_texts: English queries, such as a query log: a list, or a `Dataset` with a column `text`. Both models read them as
            queries, and the student learns to put each where the teacher does. Beside bitext or documents, for students of one
            vector, not for "transport".
        relevance_pairs: English queries and documents that answer them: a `Dataset` with columns `query` and `document`, and maybe
            `vector`, the document's in the index; without it the teacher reads the document. The student's vector of the query is
            to retrieve that of the document. Beside bitext or documents, for "contrastive" and students of one vector.
        method: "ridge" fits pooled vectors only; "transport" goes on from there with `rounds` of plans and barycentres;
            "contrastive" lets texts retrieve their English sides, by InfoNCE over what the student is searched by: its one vector,
            or its tokens by MaxSim.
        rounds: rounds of direct plans; three do as well as six.
        epsilon: entropic regularisation of the plans, in units of cosine cost.
        regularisation: ridge penalty on the normal equations divided by the number of texts. Or how to choose it: by
            "held_out_pairs" (five shares of the English texts, each left out in turn), or by a "held_out_language" (each
            language left out in turn), for languages without bitext.
        also_english: let the student read the English sides as well, as one more language.
        pooled_weight: weight of the pooled vectors' normal equations beside the tokens'; 0 leaves them out. None chooses among
            2 to 128 where the penalty is chosen too: the smallest that retrieves held-out pairs as well as any, by the
            student's own kind of search. Where the penalty is given, None is 2.
        plans: of "transport": "direct" ones between foreign tokens and the teacher's, in rounds; or "relay" ones, made once, over
            the student's own tokens of the English side. Relay plans need the teacher itself and `also_english`.
        start: what "contrastive" begins with: the closed form "ridge", "transport" with direct plans, or "relay"; or "student", the
            projection that the student has, fitted before on an index that has changed since. None is "ridge"
            for a student of one vector or without bitext; else "relay", or "transport" where relay plans cannot be made.
            "contrastive" alone reads this setting and the nine that follow.
        temperature: of its softmax. None takes, here and in the next four, 0.05, 600, 512, 2048 and 0.001 for a student of one
            vector, 0.03, 300, 64, 192 and 0.002 for one that is searched by tokens.
        steps: its gradient steps. None takes fewer for one vector without bitext: at most 20 passes over the texts.
        queries_per_step: texts of the student drawn for each step: foreign, English, documents.
        negatives: English texts of bitext and documents drawn for each step as further negatives.
        learning_rate: the first one, of Adam; it decays to 0 along a cosine.
        tokens_per_text: content tokens of a text that MaxSim sees in the fit; a longer text is thinned out.
        document_share: share of a step's texts that are documents, where there is bitext too.
        pseudo_foreign: for one vector: share of a step's documents that are moved by the difference foreign - English of a
            random pair, as the student reads both, so that they look like documents in its language. Needs `also_english`.
        max_documents: documents the student reads, and query texts; beyond them a random choice.
        document_sentences: take sentences of the documents as further queries, whose target is their document's vector: half of
            the documents' share. For long documents and students of one vector; needs nltk (extra `translate`).
        query_share: share of a step's texts that are query texts and queries of relevance pairs, half of it each where there are
            both.
        student_tokens: a cache of the student's frozen backbone, `TeacherCache.build(as_backbone(student), texts, folder)`,
            read in place of the backbone; it must hold every `target`, and every `source` with `also_english`.
        held_out: pairs kept from the fit, to measure R@1 among them before and after; needs a `Dataset`. All pairs of one
            English text are kept, or none, so it may be a few more. As many documents are kept, to measure how many of them
            retrieve their own vector.
        cache: a folder for the pooled vectors of both models. A fit that was killed goes on from it, and another fit on the
            same texts reads it. "transport" does not use it for bitext.
        batch_size: pairs encoded and transported together.
        memory_budget: bytes of tokens kept between rounds; beyond it they are encoded again.
        seed: for the choice of held-out pairs and documents, and the rows of the gradient steps.
        progress: show progress bars.

    Returns:
        An `AlignmentReport`.

    Raises:
        ValueError: for an unknown method or regularisation, a number out of its range, a penalty that cannot be chosen,
            relay plans without the teacher itself, a student without a projection of the teacher's width or in half precision,
            vectors that are not finite (the projection is then as it was), no pairs and no documents, or documents
            with "transport".

    Example:
        >>> from optical_hf import fit_alignment, load_bitext, load_student, load_teacher          # doctest: +SKIP
        >>> teacher = load_teacher("sentence-transformers/all-MiniLM-L6-v2")                       # doctest: +SKIP
        >>> student = load_student("intfloat/multilingual-e5-small", teacher)                      # doctest: +SKIP
        >>> fit_alignment(student, teacher, load_bitext("mar-eng.tsv.gz")).transport_cost          # doctest: +SKIP
    """
    started = time.perf_counter()
    check_choices(method, start, plans, regularisation)
    check_ranges(
        rounds=rounds, epsilon=epsilon, regularisation=regularisation, pooled_weight=pooled_weight, held_out=held_out,
        batch_size=batch_size, memory_budget=memory_budget, document_share=document_share, pseudo_foreign=pseudo_foreign,
        max_documents=max_documents, query_share=query_share, tokens_per_text=tokens_per_text,
    )  # fmt: skip
    late = kind_of(student) == "late_interaction"
    by_maxsim = late and method == "contrastive"
    descent = _descent(
        late, temperature=temperature, steps=steps, queries_per_step=queries_per_step, negatives=negatives,
        learning_rate=learning_rate, seed=seed,
    )  # fmt: skip
    teacher = as_teacher(teacher)
    start = start or _usual_start(teacher, late and bitext is not None, also_english)
    relay = (plans if method == "transport" else start) == "relay" and method != "ridge"
    planned = method == "transport" or (method == "contrastive" and start in ("transport", "relay"))
    check_inputs(
        bitext,
        documents,
        method,
        planned,
        relay,
        also_english,
        regularisation,
        ((query_texts is not None or document_sentences) and (planned or by_maxsim))
        or (relevance_pairs is not None and (planned or by_maxsim or method != "contrastive")),
    )
    teacher = checked_teacher(teacher, bitext, method, start, planned, by_maxsim)
    projection = checked_projection(student, teacher)
    searched = _encoder_of(teacher, "held_out") if held_out and bitext is not None else None
    tokenized = _encoder_of(teacher, "a relay plan") if relay else None
    fitted, kept = split_held_out(bitext, held_out, seed)
    before = held_out_score(student, searched, kept, batch_size) if searched is not None else None

    backbone = student_tokens or EncoderTeacher(as_backbone(student))
    texts: dict[str, Any] = {"folder": cache, "batch_size": batch_size, "device": student.device, "progress": progress}
    student_reads = PooledTexts(backbone, teacher.pooling, "student's backbone", **texts)
    teacher_reads = PooledTexts(teacher, teacher.pooling, "teacher", **texts)
    pairs = PairTokenReader(
        backbone, teacher, fitted or [], device=student.device, batch_size=batch_size, memory_budget=memory_budget,
        progress=progress, also_english=also_english,
    )  # fmt: skip
    weights = _weights(pooled_weight, regularisation)
    packed = PackedPairs(tokens_per_text) if by_maxsim else None
    read = FirstPass(regularisation, keep_vectors=method == "contrastive" and not late, tokens=packed)
    if planned or by_maxsim:
        read_tokens(read, pairs, teacher.pooling, by_tokens=late and len(weights) > 1)
    elif fitted is not None:
        read_pooled(read, fitted, student_reads, teacher_reads, also_english)
    english = EnglishTexts(student_reads, teacher_reads, max_documents, seed, student.device)
    index, unseen, indexed = english.index(documents, held_out, tokens_per_text if by_maxsim else None)
    queries, relevance = english.queries(query_texts), english.relevance(relevance_pairs)
    sentences = english.sentences(indexed, index) if document_sentences else None
    for texts_read in (index.vectors if index else None, queries) if not planned else ():
        if texts_read is not None:
            read.add_documents(texts_read.source_ND, texts_read.target_NK, texts_read.text_N)
    shares = (document_share, pseudo_foreign if also_english else 0.0)
    descended = _gradient_steps(read, index, *shares, queries, query_share, sentences, relevance)
    rounds = 0 if not planned else 1 if relay else rounds
    penalty, weight, costs = 0.0, None, list[float]()
    if method != "contrastive" or start != "student":
        penalty, weight, costs = fit_closed_form(
            student, read, pairs, weights, regularisation, epsilon=epsilon, rounds=rounds, tokenized=tokenized
        )
    loss: list[float] = []
    if descended is not None:
        if steps is None and not read.pairs and not late:
            descent = of_english(descent, index.vectors if index else None, queries, sentences, relevance)
        weight_KD, bias_K, loss = descended(
            (projection.linear.weight, projection.linear.bias), descent, progress=progress
        )
        assign_projection(student, weight_KD, bias_K)

    record_languages(student, bitext)
    after = held_out_score(student, searched, kept, batch_size) if searched is not None else None
    return AlignmentReport(
        method, read.pairs, penalty, weight, costs, loss, before, after,
        documents=len(index.vectors.text_N) if index else 0,
        reproduced=unseen.reproduced(projection.linear.weight, projection.linear.bias) if unseen else None,
        seconds=time.perf_counter() - started,
    )  # fmt: skip


def _usual_start(teacher: Teacher, by_tokens: bool, also_english: bool) -> Start:
    """What wins where it can be had (docs/benchmarks/alignment.md)."""
    if not by_tokens:
        return "ridge"
    return "relay" if isinstance(teacher, EncoderTeacher) and also_english else "transport"


def _descent(by_tokens: bool, **given: float | None) -> ContrastiveSettings:
    """The settings given, and the defaults of the student's kind of search."""
    known: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(BY_TOKENS if by_tokens else ContrastiveSettings(), **known)


def _gradient_steps(
    read: FirstPass,
    index: DocumentTokens | None,
    document_share: float,
    pseudo_foreign: float,
    queries: DocumentVectors | None,
    query_share: float,
    sentences: DocumentVectors | None,
    relevance: DocumentVectors | None,
) -> Callable[..., ContrastiveMap] | None:
    """The gradient steps on what was kept for them; they take the start and the settings."""
    if read.tokens is not None:
        return partial(fit_contrastive_tokens, *token_rows(read.tokens, index, document_share))
    if read.keep_vectors:
        vectors = None if index is None else index.vectors
        return partial(
            fit_contrastive,
            *contrastive_rows(
                read, vectors, document_share, pseudo_foreign, queries, query_share, sentences, relevance
            ),
        )
    return None


def _encoder_of(teacher: Teacher, asked: str) -> Encoder:
    """The teacher's own model."""
    if not isinstance(teacher, EncoderTeacher):
        raise ValueError(
            f"{asked} needs the teacher itself, and a cache or teachers by language came: pass the teacher, or take held_out=0 and "
            "plans='direct' or start='transport'"
        )
    return teacher.model


def _weights(pooled_weight: float | None, regularisation: float | Selection) -> tuple[float, ...]:
    """The weights of the pooled vectors that are tried."""
    if pooled_weight is not None:
        return (pooled_weight,)
    return POOLED_WEIGHTS if isinstance(regularisation, str) else POOLED_WEIGHTS[:1]
