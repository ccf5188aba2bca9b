"""Load teachers and students: sentence-transformers objects from a hub id or a folder, ready to distil.

A teacher is frozen. A student is a backbone with a linear projection of its tokens to the teacher's width. It is searched as the
teacher is: by one vector a text, or one a token. Nothing here is a class of ours: what is saved loads without this package.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import metadata_load
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import Pooling
from sentence_transformers.util.file_io import load_file_path
from torch import nn
from transformers import BitsAndBytesConfig
from transformers.utils.quantization_config import QuantizationConfigMixin

from optical_hf.extras import import_extra
from optical_hf.files import expand_name
from optical_hf.models.known_languages import read_languages
from optical_hf.models.layers import Layers, average_layers, default_layers, layer_average, settle_layers
from optical_hf.models.module_files import UNREADABLE, missing_module_file
from optical_hf.models.projection_place import check_left_out, put_projection_on_tokens
from optical_hf.models.prompts import Role, advise_prompt, set_prompts
from optical_hf.models.student_folder import student_folder
from optical_hf.models.teacher_space import teacher_space
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.models.text_length import check_length, keep_within_positions, set_max_seq_length
from optical_hf.models.tokens import Encoder
from optical_hf.models.two_towers import tower
from optical_hf.models.views import (
    KINDS,
    Kind,
    as_late_interaction,
    as_vector,
    backbone,
    prompts_of,
    token_projection,
)
from optical_hf.models.weights import check_finite, check_full_precision


def load_teacher(
    name_or_path: str | Path,
    *,
    kind: Kind | None = None,
    device: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    dtype: torch.dtype = torch.float32,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    role: Role = "teacher",
) -> Encoder:
    """A frozen English retriever from a hub id or a folder.

    Args:
        name_or_path: a hub id or a folder: a sentence-transformers model, a ColBERT checkpoint (Stanford, PyLate or
            sentence-transformers layout), or a bare transformers encoder. Of a folder with both towers, the teacher.
        kind: "vector" or "late_interaction"; None takes what the checkpoint is. A one-vector model loaded as late
            interaction is searched with its own token vectors, at their own width.
        device: torch device; None lets sentence-transformers choose.
        revision: branch, tag or commit on the hub.
        trust_remote_code: run code from the checkpoint's repository; off unless you say otherwise.
        dtype: of the weights, whatever type they are stored in; `torch.bfloat16` halves the memory of a large teacher.
        query_prompt: put in front of English queries; None takes what the checkpoint states, "" none.
        document_prompt: put in front of documents; None and "" as for queries.
        role: whose prompt a warning names; "student" for a model that is only evaluated.

    Returns:
        A `SentenceTransformer` or `MultiVectorEncoder` in eval mode; no parameter gets a gradient.

    Raises:
        ValueError: where nothing readable is found, with the path and the reason, or the weights are not finite.

    Example:
        >>> teacher = load_teacher("sentence-transformers/all-MiniLM-L6-v2")  # doctest: +SKIP
    """
    model = _load(name_or_path, role, device, revision, trust_remote_code, dtype, query_prompt, document_prompt)
    if kind is not None:
        model = _as_kind(model, kind)
    model.requires_grad_(False)
    return model.eval()


def load_student(
    name_or_path: str | Path,
    teacher: Encoder | Teacher,
    *,
    kind: Kind | None = None,
    layers: Layers | None = None,
    max_seq_length: int | None = None,
    query_prompt: str | None = None,
    device: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    quantization_config: QuantizationConfigMixin | None = None,
) -> Encoder:
    """A student of `teacher` from a multilingual encoder: its backbone, a token projection, the teacher's kind of search.

    A checkpoint that already has a projection of the teacher's width (a student saved before, its Dense before the pooling or
    behind it) is taken as it is: in memory the Dense stands on the tokens, which losses and MaxSim read.
    Otherwise a projection is put behind the backbone; it starts as the identity where the widths are equal and as a random
    orthogonal map where they are not. Start it from `fit_alignment`: from an identity nothing moves for hours.
    Weights are loaded in float32, whatever type they are stored in: half precision is for the arguments `fp16` and `bf16`.

    Args:
        name_or_path: a hub id or a folder; any encoder `AutoModel` loads, or a sentence-transformers model. Of a folder with
            both towers, the student.
        teacher: the teacher, for its width, its kind and its pooling; or vectors of one, from `load_vectors`.
        kind: "vector" or "late_interaction"; None takes the teacher's. The same weights serve both in the end.
        layers: hidden layers of the backbone whose average the projection reads, 0 the word embeddings; `[10, 12]`, or weights
            `{10: 1, 12: 3}`, which are not trained. None takes what a checkpoint was saved with, else the last layer; for a
            late-interaction student of 6 layers or more the last but two beside it, with a third of its weight. ONNX has
            no place for an average: give the last layer alone for it, `[12]`.
        max_seq_length: tokens kept of a text, at most the backbone's positions; None keeps the checkpoint's limit.
        query_prompt: put in front of every text the student reads, in training, alignment and search, and saved with it;
            `"query: "` for E5. None takes what the checkpoint states, with a warning where its family wants one; "" none.
        device: torch device; None takes the teacher's.
        revision: branch, tag or commit on the hub.
        trust_remote_code: run code from the checkpoint's repository; off unless you say otherwise.
        quantization_config: how transformers quantises the backbone's weights as it loads them, `BitsAndBytesConfig` say;
            train it with a `peft_config` (QLoRA). The projection stays in float32.

    Returns:
        A `SentenceTransformer` (Transformer, Dense on tokens, Pooling, Normalize) or a `MultiVectorEncoder`
        (Transformer, Dense on tokens, MultiVectorMask, Normalize); with `layers`, a WeightedLayerPooling before the Dense.

    Raises:
        ValueError: where nothing readable is found or weights are not finite. Where a saved projection has another width than the
            teacher, or reads other layers. Where there are no such layers, or `max_seq_length` cannot be kept.
        ImportError: for a `BitsAndBytesConfig` without bitsandbytes.
    """
    if isinstance(quantization_config, BitsAndBytesConfig):
        import_extra("bitsandbytes", "qlora", "quantising with BitsAndBytesConfig")
    if max_seq_length is not None:
        check_length(max_seq_length)
    device = device or teacher_space(teacher).device
    model = _load(
        name_or_path, "student", device, revision, trust_remote_code, torch.float32, query_prompt,
        quantization_config=quantization_config,
    )  # fmt: skip
    student = build_student(model, teacher, kind=kind, layers=layers)
    if max_seq_length is not None:
        set_max_seq_length(student, max_seq_length)
    return student.eval()  # what reads with it puts it back as it was, so that no dropout begins


def build_student(
    model: Encoder, teacher: Encoder | Teacher, *, kind: Kind | None = None, layers: Layers | None = None
) -> Encoder:
    """Make a student of `teacher` from a loaded encoder; see `load_student`, which loads and then calls this."""
    inside = backbone(model)
    if model is teacher or (isinstance(teacher, Encoder) and inside is backbone(teacher)):
        raise ValueError(
            "teacher and student are the same object: training would move the teacher and the loss would fall to zero "
            "without anything learnt; load the student on its own with load_student"
        )
    check_full_precision(model)
    put_projection_on_tokens(model)
    keep_within_positions(model, "the student")
    space = teacher_space(teacher)
    kind, width = kind or space.kind, space.width
    if kind == "late_interaction" and not space.has_tokens:
        raise ValueError(
            "the teacher is vectors alone, one a text: a student that is searched token by token would have nothing to learn from; "
            "take kind='vector'"
        )
    projection = token_projection(model)
    if projection is not None and projection.out_features == width:
        settle_layers(model, layers)
        return _as_kind(model, kind, space.pooling)
    if projection is not None:
        raise ValueError(
            f"the student's projection gives tokens of width {projection.out_features}, the teacher's are {width} wide: "
            "it was made for another teacher; distil from that teacher or start again from the student's backbone"
        )
    check_left_out(model)
    average = layer_average(model)
    layers = default_layers(inside, kind) if layers is None and average is None else layers
    average = average if layers is None else average_layers(inside, layers)
    modules: list[nn.Module] = [inside, *([average] if average is not None else [])]
    modules.append(new_projection(inside.get_embedding_dimension(), width))
    prompts, device = prompts_of(model), str(model.device)
    if kind == "late_interaction":
        modules += [MultiVectorMask(), Normalize(module_input_name="token_embeddings")]
        student: Encoder = MultiVectorEncoder(modules=modules, prompts=prompts, device=device)
    else:
        modules += [Pooling(width, space.pooling), Normalize()]
        student = SentenceTransformer(modules=modules, prompts=prompts, device=device)
    student.model_card_data.base_model = model.model_card_data.base_model
    return student


def new_projection(in_features: int, out_features: int) -> Dense:
    """A linear layer on tokens: the identity where the widths are equal, else a random orthogonal map, the same every time."""
    projection = Dense(
        in_features, out_features, activation_function=nn.Identity(), module_input_name="token_embeddings"
    )
    if in_features == out_features:
        nn.init.eye_(projection.linear.weight)
    else:
        nn.init.orthogonal_(projection.linear.weight, generator=torch.Generator().manual_seed(0))
    nn.init.zeros_(projection.linear.bias)
    return projection


def _as_kind(model: Encoder, kind: Kind, mode: str = "mean") -> Encoder:
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}: expected one of {', '.join(KINDS)}")
    return as_late_interaction(model) if kind == "late_interaction" else as_vector(model, mode)


def _load(
    name_or_path: str | Path,
    role: Role,
    device: str | None,
    revision: str | None,
    trust_remote_code: bool,
    dtype: torch.dtype,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    quantization_config: QuantizationConfigMixin | None = None,
) -> Encoder:
    """Load with sentence-transformers, as whichever of its two classes the checkpoint names."""
    name_or_path = expand_name(name_or_path)
    path = Path(name_or_path)
    with suppress(OSError):  # a folder that cannot be written to is read as it is
        student_folder(path).mend()
    if path.is_file():
        raise ValueError(f"the {role} {str(path)!r} is a file: give the folder that holds it, or a hub id")
    if path.is_absolute() and not path.is_dir():
        raise ValueError(f"no {role} at {str(path)!r}: the folder does not exist; give a folder or a hub id")
    try:
        sentence, transformer = _configurations(str(name_or_path), revision)
        kind = MultiVectorEncoder if _is_late_interaction(sentence, transformer) else SentenceTransformer
        # What is quantised keeps the types it was quantised with.
        stored = quantization_config is None and "quantization_config" not in transformer
        how = {"dtype": dtype} if stored else {"quantization_config": quantization_config}
        model = kind(
            str(name_or_path),
            device=device,
            revision=revision,
            trust_remote_code=trust_remote_code,
            model_kwargs={"use_safetensors": True, **{name: value for name, value in how.items() if value is not None}},
        )
    except UNREADABLE as error:
        reason = missing_module_file(path) or " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"cannot read the {role} {str(name_or_path)!r}: {reason[:400]}") from error
    who, model = f"the {role} {str(name_or_path)!r}", tower(model, role)
    put_projection_on_tokens(model)
    check_finite(model, who)
    keep_within_positions(model, who)
    set_prompts(model, query_prompt, document_prompt)
    if token_projection(model) is not None:
        read_languages(model, sentence, path / "README.md")
    if query_prompt is None:
        stated = [transformer.get("_name_or_path"), *stated_base_models(name_or_path)]
        advise_prompt(model, role, who, [str(name) for name in (name_or_path, *stated) if name])
    return model


def stated_base_models(name_or_path: str | Path) -> list[str]:
    """What the card in a folder says that the model was made from."""
    card = Path(name_or_path, "README.md")
    try:
        stated = (metadata_load(card) or {}).get("base_model") if card.is_file() else None
    except ValueError:  # a card that somebody wrote by hand
        return []
    return [stated] if isinstance(stated, str) else list(stated or [])


def _configurations(name_or_path: str, revision: str | None) -> list[dict[str, Any]]:
    """What a checkpoint says of itself to sentence-transformers and to transformers; empty where it says nothing."""
    files = (
        load_file_path(name_or_path, name, revision=revision)
        for name in ("config_sentence_transformers.json", "config.json")
    )
    return [{} if file is None else json.loads(Path(file).read_text(encoding="utf-8")) for file in files]


def _is_late_interaction(sentence: dict[str, Any], transformer: dict[str, Any]) -> bool:
    """Read from a checkpoint's own configuration whether it is a late-interaction encoder."""
    if "model_type" in sentence:
        return sentence["model_type"] in ("MultiVectorEncoder", "ColBERT")
    return any(a == "HF_ColBERT" or a.endswith("ForRetrieval") for a in transformer.get("architectures") or [])
