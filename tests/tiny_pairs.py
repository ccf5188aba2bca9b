"""A tiny teacher, a tiny student and a little bitext, built in memory: what most tests of models and training stand on."""

from copy import deepcopy
from functools import cache

from datasets import Dataset
from sentence_transformers import SentenceTransformer

from optical_hf.models import Encoder, build_student
from optical_hf.models.tiny import tiny_encoder
from optical_hf.scenes import scenes_bitext


@cache
def bitext(pairs: int = 96) -> Dataset:
    return scenes_bitext({"de": pairs // 2, "so": pairs // 4, "mr": pairs // 4}, seed=0)


def teacher(width: int = 32) -> SentenceTransformer:
    return deepcopy(_made("source", width=width, vocabulary_size=200)).requires_grad_(False).eval()


def backbone(width: int = 24, layers: int = 2) -> SentenceTransformer:
    return deepcopy(_made("target", width=width, layers=layers, vocabulary_size=300, seed=1))


@cache
def _made(side: str, **options: int) -> SentenceTransformer:
    """Made once: to learn a tokenizer costs more than to copy it."""
    return tiny_encoder(bitext()[side], **options)


def pair(**kwargs: object) -> tuple[Encoder, SentenceTransformer]:
    """A student and its teacher."""
    english = teacher()
    return build_student(backbone(), english, **kwargs), english
