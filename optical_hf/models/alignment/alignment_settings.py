"""`AlignmentSettings`: how an alignment is fitted; models and texts are not settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

from optical_hf.models.alignment.alignment_checks import check_choices, check_ranges
from optical_hf.models.alignment.alignment_report import Method, Plans, Start
from optical_hf.models.alignment.contrastive_tokens import BY_TOKENS
from optical_hf.models.alignment.index_documents import MAX_DOCUMENTS
from optical_hf.models.alignment.map_descent import ContrastiveSettings
from optical_hf.models.alignment.packed_tokens import TOKENS_PER_TEXT
from optical_hf.models.alignment.ridge_penalty import POOLED_WEIGHTS, Selection
from optical_hf.models.teachers.teacher import EncoderTeacher, Teacher
from optical_hf.settings_checks import with_fields


@dataclass(frozen=True)
class AlignmentSettings:
    """Settings of `fit_alignment`, which also takes each field as a keyword.

    Args:
        method: "ridge" fits pooled vectors only; "transport" goes on from there with `rounds` of plans and barycentres;
            "contrastive" lets texts retrieve their English sides, by InfoNCE over what the student is searched by: its one vector,
            or its tokens by MaxSim.
        rounds: rounds of direct plans; three do as well as six.
        epsilon: entropic regularisation of the plans, in units of cosine cost.
        regularisation: ridge penalty on the normal equations divided by the number of texts. "held_out_pairs"
            chooses it: five shares of the English texts are left out in turn.
        also_english: let the student read the English sides as well, as one more language.
        pooled_weight: weight of the pooled vectors' normal equations beside the tokens'; 0 leaves them out. None chooses among
            2 to 128 where the penalty is chosen too: the smallest that retrieves held-out pairs as well as any, by the
            student's own kind of search. Where the penalty is given, None is 2.
        plans: of "transport": "direct" ones between foreign tokens and the teacher's, in rounds; or "relay" ones, made once, over
            the student's own tokens of the English side. Relay plans need the teacher itself and `also_english`.
        start: what "contrastive" begins with: the closed form "ridge", "transport" with direct plans, or "relay"; or "student", the
            projection that the student has, fitted before on an index that has changed since. None is "ridge"
            for a student of one vector or without bitext; else "relay", or "transport" where relay plans cannot be made.
            "contrastive" alone reads this setting and those that follow up to `query_share`.
        temperature: of its softmax. None takes, here and in the next four, 0.05, 600, 512, 2048 and 0.001 for a student of one
            vector, 0.03, 300, 64, 192 and 0.002 for one that is searched by tokens.
        steps: its gradient steps. None takes fewer for one vector without bitext: at most 20 passes over the texts.
        queries_per_step: texts of the student drawn for each step: foreign, English, documents.
        negatives: English texts of bitext and documents drawn for each step as further negatives.
        learning_rate: the first one, of Adam; it decays to 0 along a cosine.
        hard_negatives: further negatives for each text of a step, drawn among those nearest its target. None is 8 where the
            documents have vectors and are more than `max_documents`, else 0. For one vector alone.
        tokens_per_text: content tokens of a text that MaxSim sees in the fit; a longer text is thinned out.
        document_share: share of a step's texts that are documents, where there is bitext too.
        pseudo_foreign: share of a step's documents that are moved by the difference foreign - English of a random pair, as the
            student reads both. They then look like documents in its language. For one vector; needs `also_english`.
        max_documents: documents the student reads, and query texts; beyond them a random choice.
        document_sentences: take sentences of the documents as further queries, whose target is their document's vector: half of
            the documents' share. For long documents and students of one vector; needs nltk (extra `translate`).
        query_share: share of a step's texts that are query texts and queries of relevance pairs, half of it each where there are
            both.
        held_out: pairs kept from the fit, to measure R@1 among them before and after; needs a `Dataset`. All pairs of one
            English text are kept, or none, so it may be a few more. As many documents are kept, to measure how many of them
            retrieve their own vector.
        cache: a folder for what both models read: pooled vectors, or tokens in float16 where the fit needs tokens. A fit that was
            killed goes on from it, and another fit on the same texts reads it.
        batch_size: pairs encoded and transported together.
        memory_budget: bytes of tokens kept between rounds; beyond it they are encoded again.
        seed: for the choice of held-out pairs and documents, and the rows of the gradient steps.
        progress: show progress bars.

    Raises:
        ValueError: for an unknown method, start, kind of plans or way to choose a penalty, or a number out of its range.

    Example:
        >>> AlignmentSettings(steps=200, document_share=0.25).method
        'contrastive'
    """

    method: Method = "contrastive"
    rounds: int = 3
    epsilon: float = 0.02
    regularisation: float | Selection = "held_out_pairs"
    also_english: bool = True
    pooled_weight: float | None = None
    plans: Plans = "direct"
    start: Start | None = None
    temperature: float | None = None
    steps: int | None = None
    queries_per_step: int | None = None
    negatives: int | None = None
    learning_rate: float | None = None
    hard_negatives: int | None = None
    tokens_per_text: int = TOKENS_PER_TEXT
    document_share: float = 0.5
    pseudo_foreign: float = 1.0
    max_documents: int = MAX_DOCUMENTS
    document_sentences: bool = False
    query_share: float = 0.25
    held_out: int = 0
    cache: str | PathLike[str] | None = None
    batch_size: int = 64
    memory_budget: int = 2 * 2**30
    seed: int = 0
    progress: bool = True

    def __post_init__(self) -> None:
        check_choices(self.method, self.start, self.plans, self.regularisation)
        names = (
            "rounds", "epsilon", "regularisation", "pooled_weight", "tokens_per_text", "document_share", "pseudo_foreign",
            "max_documents", "query_share", "held_out", "batch_size", "memory_budget",
        )  # fmt: skip
        check_ranges(**{name: getattr(self, name) for name in names})
        self.descent(by_tokens=False)

    def changed(self, given: Mapping[str, Any], function: Callable[..., Any]) -> "AlignmentSettings":
        """These settings with the keywords that were given to a function.

        Raises:
            TypeError: for a keyword that is no field.
        """
        return with_fields(self, given, function)

    def started(self, teacher: Teacher, by_tokens: bool) -> "AlignmentSettings":
        """These settings with the start decided: what wins where it can be had (docs/log/2026-11/alignment.md).

        Args:
            teacher: the teacher.
            by_tokens: whether a late-interaction student is fitted on bitext.
        """
        if self.start is not None:
            return self
        relay = isinstance(teacher, EncoderTeacher) and self.also_english
        return replace(self, start="ridge" if not by_tokens else "relay" if relay else "transport")

    @property
    def relay(self) -> bool:
        """Whether relay plans are made."""
        return self.method != "ridge" and (self.plans if self.method == "transport" else self.start) == "relay"

    @property
    def planned(self) -> bool:
        """Whether transport plans are made."""
        return self.method == "transport" or (self.method == "contrastive" and self.start in ("transport", "relay"))

    @property
    def pooled_weights(self) -> tuple[float, ...]:
        """The weights of the pooled vectors that are tried."""
        if self.pooled_weight is not None:
            return (self.pooled_weight,)
        return POOLED_WEIGHTS if isinstance(self.regularisation, str) else POOLED_WEIGHTS[:1]

    def descent(self, by_tokens: bool) -> ContrastiveSettings:
        """The settings of the gradient steps, with the defaults of the student's kind of search."""
        names = ("temperature", "steps", "queries_per_step", "negatives", "hard_negatives", "learning_rate", "seed")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        return replace(BY_TOKENS if by_tokens else ContrastiveSettings(), **given)
