"""What a study is made of: teachers, students, systems, budgets, bitext, collections, and the grids that combine them.

Frozen dataclasses that check themselves, whether a YAML file or a caller makes them.
"""

from collections import Counter
from dataclasses import field, fields
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from optical_hf.files import expand_path
from optical_hf.languages import canonical_language
from optical_hf.losses import parse_losses
from optical_hf.models import Kind
from optical_hf.settings import STRICT
from optical_hf.study.config.data_specs import NOT_EMPTY, SEARCHED, Bitext, CollectionSpec, DocumentsSpec, Name
from optical_hf.training import OTDistillationArguments

Number = Annotated[PositiveFloat, BeforeValidator(lambda value: float(value) if isinstance(value, str) else value)]
"""A number above 0; `--set` gives it as text."""
Languages = tuple[Annotated[str, AfterValidator(canonical_language)], ...]
Sizes = tuple[PositiveInt | None, ...]
OWN_ARGUMENTS = {"losses", "alignment", "max_steps", "per_device_train_batch_size", "output_dir", "seed"}
"""Training arguments that the study sets from other keys."""

NAMED = ("teachers", "students", "systems", "budgets", "collections")
"""Parts of a study that are given by name and combined in its grids."""

DICTIONARY = "dictionary"
"""The translator that is learnt from a run's own bitext."""
OWN_INDEX = "own_index"  # re-indexing, a system that a study adds itself


@dataclass(frozen=True, config=STRICT)
class TeacherSpec:
    """An English teacher.

    Args:
        name: what tables call it.
        path: a hub id or a folder.
        kind: "vector" or "late_interaction"; None takes what the checkpoint is.
        search: "vector" or "maxsim"; None takes maxsim for late interaction, else vector.
    """

    name: str
    path: Name
    kind: Kind | None = None
    search: Literal["vector", "maxsim"] | None = None


@dataclass(frozen=True, config=STRICT)
class StudentSpec:
    """A student: its backbone, and what is cut off it.

    Args:
        name: what tables call it.
        path: a hub id or a folder; of a random student, where its configuration and tokenizer come from.
        layers: number of layers to keep, the first ones; None keeps all.
        trim: keep only the pieces of the vocabulary that the study's bitext and queries use.
        random: random weights; entries of the backbone's configuration that differ from those of `path` (a width, a number of
            layers). None keeps the pretrained weights.
        seed: of random weights.
        mixed_layers: hidden layers of what is left whose average is projected, `[10, 12]`; None takes the last one.
        query_prompt: put in front of every text it reads, `"query: "` for E5; None takes what the checkpoint states.
    """

    name: str
    path: Name
    layers: PositiveInt | None = None
    trim: bool = False
    random: dict[str, Any] | None = None
    seed: int = 0
    mixed_layers: tuple[int, ...] | None = None
    query_prompt: str | None = None

    def __post_init__(self) -> None:
        if self.mixed_layers is not None and not self.mixed_layers:
            raise ValueError("mixed_layers is empty: expected numbers of layers, or null for the last one alone")
        if self.layers is not None and max(self.mixed_layers or (0,)) > self.layers:
            raise ValueError(f"mixed_layers names layer {max(self.mixed_layers or ())}, but layers keeps {self.layers}")
        if self.layers is not None and self.random is not None:
            raise ValueError(
                "a random student has the layers its configuration says: put num_hidden_layers under `random`"
            )


@dataclass(frozen=True, config=STRICT)
class SystemSpec:
    """A way to make a student read a language, or what a student is compared with.

    Args:
        name: what tables call it.
        alignment: fit the projection starts from: "ridge", "transport", "contrastive", or "none".
        losses: what gradient steps minimise, as for `optical-hf train --losses`; None takes no gradient step.
        documents: index documents that it learns from too: a name of the study's `documents`, or "searched", those of the
            collections that the run searches.
        query_texts: English queries that it learns from too: a name of the study's `query_texts`.
        no_bitext: learn from these English texts alone; needs `documents`.
        fit: options of `fit_alignment`, for a system without gradient steps.
        arguments: options of `OTDistillationArguments`, for a system with gradient steps.
        reads: "text": the student reads the query. "english" or "translation": no student; the teacher reads that column of the
            queries (the ceiling, and the translate-query baseline).
        translator: for reads: translation, the hub id or folder of a transformers translation model; or for each language one
            or the .tsv file of a dictionary; or "dictionary", which learns dictionaries from the bitext that a student of
            the same size and seed would learn from (queries in other languages stay as they are); None takes the
            translations that the collections have.
    """

    name: str
    alignment: Literal["none", "ridge", "transport", "contrastive"] = "none"
    losses: str | None = None
    documents: str | None = None
    query_texts: str | None = None
    no_bitext: bool = False
    fit: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    reads: Literal["text", "english", "translation"] = "text"
    translator: str | dict[str, str] | None = None

    def __post_init__(self) -> None:
        if self.losses is not None:
            parse_losses(self.losses)
        if self.reads != "text" and (self.losses or self.alignment != "none"):
            raise ValueError(f"reads: {self.reads} is read by the teacher: leave out alignment and losses")
        if self.translator and self.reads != "translation":
            raise ValueError("a translator belongs to reads: translation")
        if self.fit and (self.losses or self.alignment == "none"):
            raise ValueError("fit belongs to a closed form alone: set alignment and leave out losses, or use arguments")
        for name in ("documents", "query_texts"):
            given = getattr(self, name)
            if given and not self.losses and self.alignment in ("none", "transport"):
                raise ValueError(
                    f"{name}: {given} is for students that learn from them: set alignment: contrastive or ridge, or losses"
                )
        if self.no_bitext and (not self.documents or self.alignment == "transport" or self.learns_dictionaries):
            raise ValueError(
                "no_bitext is for students that learn from documents alone: set documents, and no transport"
            )
        if self.arguments and not self.losses:
            raise ValueError("arguments are those of gradient steps: set losses, or use fit")
        known = {f.name for f in fields(OTDistillationArguments) if f.init}
        for name in self.arguments:
            if name in OWN_ARGUMENTS or name not in known:
                raise ValueError(
                    f"arguments: {name!r} is {'set by the study' if name in OWN_ARGUMENTS else 'no training argument'}; see "
                    "optical-hf train --help-all"
                )

    @property
    def trained(self) -> bool:
        """Whether it reads bitext at all."""
        return self.losses is not None or self.alignment != "none" or self.learns_dictionaries

    @property
    def learns_dictionaries(self) -> bool:
        """Whether it is the teacher behind dictionaries that are learnt from bitext."""
        return self.translator == DICTIONARY


@dataclass(frozen=True, config=STRICT)
class BudgetSpec:
    """How long gradient steps go on.

    Args:
        name: what tables call it.
        steps: number of steps; or
        flops: floating-point operations of the student, closed form included; as many whole steps as they allow are taken.
        batch: pairs in a step, over all processes.
        learning_rate: of the gradient steps.
    """

    name: str
    steps: PositiveInt | None = None
    flops: Number | None = None
    batch: PositiveInt = 32
    learning_rate: Number = 3e-5

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.flops is None):
            raise ValueError("expected either steps or flops: the one says how long, the other what it may cost")


@dataclass(frozen=True, config=STRICT)
class GridSpec:
    """Names to combine; an axis that is left out takes everything the study defines."""

    teachers: tuple[str, ...] | None = None
    students: tuple[str, ...] | None = None
    systems: tuple[str, ...] | None = None
    budgets: tuple[str, ...] | None = None
    sizes: Sizes | None = None
    seeds: tuple[int, ...] | None = None
    collections: tuple[str, ...] | None = None


@dataclass(frozen=True, config=STRICT)
class StudyConfig:
    """A study as its YAML file says.

    Args:
        name: title of the report.
        output: folder of runs, table, plots and report; relative to where the command runs.
        teachers: by name.
        students: by name.
        systems: by name.
        bitext: language -> files, as for `optical-hf train --bitext`; [foreign file, English file] for one in two files.
            Empty where no system learns from it.
        collections: by name.
        documents: sets of index documents by name, for `documents` of a system.
        query_texts: sets of English queries by name, for `query_texts` of a system.
        budgets: by name; needed where systems take gradient steps.
        sizes: pairs of each language at most; None takes all.
        seeds: of the choice of pairs and of training.
        grid: the combinations that are run.
        high: languages of the high-resource group; None takes the classes of Joshi et al. 2020.
        low: languages of the low-resource group.
        middle: languages in neither group.
        baselines: systems that every other system is tested against.
        max_seq_length: tokens kept of a text.
        together: runs that one process does after another; starting a process takes longer than a short run.
        processes: of a run, started by `accelerate launch`.
        launch: further arguments of `accelerate launch`.
        rounds: of bootstrap and permutation tests.
        own_index: also evaluate re-indexing, once for each checkpoint that students were made from.
        keep_students: save the students that are trained.
    """

    name: str
    output: str
    teachers: Annotated[dict[str, TeacherSpec], NOT_EMPTY]
    students: Annotated[dict[str, StudentSpec], NOT_EMPTY]
    systems: Annotated[dict[str, SystemSpec], NOT_EMPTY]
    collections: Annotated[dict[str, CollectionSpec], NOT_EMPTY]
    bitext: Bitext = field(default_factory=dict)
    documents: dict[str, DocumentsSpec] = field(default_factory=dict)
    query_texts: dict[str, DocumentsSpec] = field(default_factory=dict)
    budgets: dict[str, BudgetSpec] = field(default_factory=dict)
    sizes: Sizes = (None,)
    seeds: tuple[int, ...] = (0,)
    grid: tuple[GridSpec, ...] = (GridSpec(),)
    high: Languages | None = None
    low: Languages | None = None
    middle: Languages = ()
    baselines: tuple[str, ...] = ()
    max_seq_length: PositiveInt | None = None
    together: PositiveInt = 1
    processes: PositiveInt = 1
    launch: tuple[str, ...] = ()
    rounds: PositiveInt = 10_000
    own_index: bool = True
    keep_students: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", str(expand_path(self.output)))
        named = [
            (f"grid: {n}: {axis}", axis, getattr(one, axis)) for n, one in enumerate(self.grid, 1) for axis in NAMED
        ]
        for where, axis, names in [*named, ("baselines", "systems", self.baselines)]:
            for name in names or ():
                if name not in getattr(self, axis):
                    raise ValueError(f"{where}: {name!r} is not defined; known are {', '.join(getattr(self, axis))}")
        if SEARCHED in self.documents:
            raise ValueError(f"documents: {SEARCHED} are those of the collections that a run searches: rename yours")
        for part, always in (("documents", (SEARCHED,)), ("query_texts", ())):
            known = (*always, *getattr(self, part))
            if empty := next((name for name, spec in getattr(self, part).items() if spec.files is None), None):
                raise ValueError(f"{part}: {empty}: files is missing: name files or folders of texts")
            for name, system in self.systems.items():
                if (given := getattr(system, part)) not in (None, *known):
                    raise ValueError(
                        f"systems: {name}: {part}: {given!r} is not defined; known are {', '.join(known) or 'none'}"
                    )
        if OWN_INDEX in self.systems:
            raise ValueError(f"systems: {OWN_INDEX} is re-indexing, which a study adds itself: rename yours")
        if not self.bitext and any(system.trained and not system.no_bitext for system in self.systems.values()):
            raise ValueError(
                "bitext: expected at least one language, as some systems learn from it (no_bitext: true does not)"
            )
        if not self.budgets and any(system.losses for system in self.systems.values()):
            raise ValueError("budgets: expected at least one, as some systems take gradient steps")
        groups = Counter(chain.from_iterable(set(group or ()) for group in (self.high, self.low, self.middle)))
        if twice := sorted(code for code, count in groups.items() if count > 1):
            raise ValueError(f"{', '.join(twice)} in two of high, low and middle: name each language in one")
