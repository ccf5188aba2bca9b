"""The students of a study: a backbone whole, cut to its first layers, cut to a vocabulary, or with random weights.

Made once and kept as a sentence-transformers folder, which every run of the study then loads.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import PartialState
from sentence_transformers import SentenceTransformer
from transformers import AutoConfig, AutoModel

from optical_hf.folders import write_folder
from optical_hf.models import Encoder, backbone
from optical_hf.models.fingerprint import digest_of
from optical_hf.models.prompts import advise_prompt, set_prompts
from optical_hf.models.vocabulary import trim_vocabulary
from optical_hf.study.config.study_config import StudentSpec

logger = logging.getLogger(__name__)


def prepared_student(spec: StudentSpec, corpus: Sequence[str], folder: Path, content: str | None = None) -> str:
    """Where the student's backbone can be loaded from; made there by the first run that needs it.

    Args:
        spec: what is cut.
        corpus: all texts of bitext and queries; read where the vocabulary is trimmed.
        folder: where the students of the study are kept.
        content: hash of what lies at the student's path, which then names what is kept; None takes the path for it.

    Returns:
        A folder, or the hub id where nothing is cut.
    """
    if spec.layers is None and not spec.trim and spec.random is None:
        return spec.path
    place = folder / _key(spec, corpus, content)
    with PartialState().main_process_first():
        if not place.exists():
            model = _cut(spec, corpus)
            write_folder(place, lambda beside: model.save_pretrained(str(beside)))
    return str(place)


def _cut(spec: StudentSpec, corpus: Sequence[str]) -> Encoder:
    there = AutoConfig.from_pretrained(spec.path).num_hidden_layers
    if (spec.layers or 0) > there:
        raise ValueError(
            f"student {spec.name}: layers is {spec.layers}, but {spec.path} has {there}: more would be random weights"
        )
    config = {} if spec.layers is None else {"num_hidden_layers": spec.layers}
    model = SentenceTransformer(spec.path, device="cpu", config_kwargs=config, model_kwargs={"use_safetensors": True})
    if spec.random is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            shape = AutoConfig.from_pretrained(spec.path, **spec.random)
            backbone(model).model = AutoModel.from_config(shape)
            model = SentenceTransformer(modules=[backbone(model)], device="cpu")
    set_prompts(model, spec.query_prompt)  # its pieces are not trimmed
    if spec.query_prompt is None:
        advise_prompt(model, "student", f"the student {spec.path!r}", [spec.path])
    if spec.trim:
        report = trim_vocabulary(model, corpus)
        logger.info("%s: %d pieces trimmed to %d", spec.name, report.pieces_before, report.pieces_after)
    return model


def _key(spec: StudentSpec, corpus: Sequence[str], content: str | None) -> str:
    values = asdict(spec) | {"path": content or spec.path}
    del values["name"], values["mixed_layers"]  # averaged by the run that loads it
    return digest_of([values, corpus if spec.trim else ()])[:16]


def parameters_of(model: Encoder) -> tuple[int, int]:
    """Parameters of a student's backbone: all of them, and without the matrix of its vocabulary.

    The second is what grows with depth and width; the first is mostly the vocabulary in a multilingual encoder.
    """
    transformer = backbone(model).model
    total = sum(parameter.numel() for parameter in transformer.parameters())
    return total, total - int(transformer.get_input_embeddings().weight.numel())  # type: ignore[operator, union-attr]
