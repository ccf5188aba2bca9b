"""CLIP and SigLIP as teachers: the student's vector lives in the joint space, the image side is untouched."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipProcessor,
)

from optical_hf.models import (
    build_student,
    embedding_width,
    fit_alignment,
    iter_token_sets,
    kind_of,
    load_student,
    load_teacher,
    preprocess_queries,
)
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.models.tiny import tiny_encoder, tiny_tokenizer

TEXTS = ["a red ball", "two dogs run", "a man on the boat", "a blue ball", "a dog on the boat", "the man runs"]
FOREIGN = [
    "ein roter ball",
    "zwei hunde laufen",
    "ein mann auf dem boot",
    "ein blauer ball",
    "ein hund im boot",
    "er läuft",
]
PAIRS = [{"source": e, "target": f, "language": "de"} for e, f in zip(TEXTS, FOREIGN, strict=True)]


def save_joint_model(kind: str, folder) -> None:
    """A tiny CLIP or SigLIP from its config, with its processor, as a hub folder has them."""
    tokenizer = tiny_tokenizer(TEXTS, 120, 16)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    ids = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
    }
    small = {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 16, **small, **ids}
    vision = {"image_size": 16, "patch_size": 8, **small}
    torch.manual_seed(0)
    if kind == "clip":
        CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=20)).save_pretrained(folder)
        images = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
        CLIPProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)
    else:
        SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
        images = SiglipImageProcessorPil(size={"height": 16, "width": 16})
        SiglipProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)


@pytest.fixture(scope="module", params=["clip", "siglip"])
def loaded(request, tmp_path_factory) -> SentenceTransformer:
    folder = tmp_path_factory.mktemp(request.param)
    save_joint_model(request.param, folder)
    return load_teacher(folder, device="cpu")


@pytest.fixture
def teacher(loaded) -> SentenceTransformer:
    return deepcopy(loaded)


@pytest.fixture
def student(teacher):
    return build_student(tiny_encoder(TEXTS + FOREIGN, width=32, vocabulary_size=200, seed=1), teacher)


def test_the_teacher_is_a_text_and_an_image_encoder_of_one_space(teacher):
    assert kind_of(teacher) == "vector"
    width = embedding_width(teacher)
    images = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    assert teacher.encode(TEXTS).shape == (6, width)
    assert teacher.encode(images).shape == (2, width)
    assert not any(p.requires_grad for p in teacher.parameters())


def test_a_text_is_a_set_of_one_token_in_the_joint_space(teacher):
    tokens = next(iter_token_sets(teacher, TEXTS))
    assert tokens.tokens_BND.shape == (6, 1, embedding_width(teacher))
    assert tokens.mask_BN.all()
    assert tokens.content_BN.all()
    inputs = preprocess_queries(teacher, TEXTS)
    features = teacher[0].model.get_text_features(
        input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
    )
    torch.testing.assert_close(tokens.vector_BD, features.pooler_output)


@pytest.mark.parametrize("method", ["ridge", "transport"])
def test_the_student_moves_into_the_joint_space(teacher, student, method):
    def near() -> float:
        own, theirs = student.encode(FOREIGN), teacher.encode(TEXTS, normalize_embeddings=True)
        return float((own * theirs).sum(axis=1).mean())

    before = near()
    image = [Image.new("RGB", (20, 20), "red")]
    untouched = teacher.encode(image)
    fit_alignment(student, teacher, PAIRS, method=method, regularisation=1e-6, progress=False)
    assert near() > max(0.95, before)
    assert np.array_equal(teacher.encode(image), untouched)


def test_the_student_alone_is_saved_and_loads_alone(teacher, student, tmp_path):
    fit_alignment(student, teacher, PAIRS, method="ridge", progress=False)
    student.save_pretrained(str(tmp_path / "student"))
    loaded = SentenceTransformer(str(tmp_path / "student"))
    assert np.abs(loaded.encode(FOREIGN) - student.encode(FOREIGN)).max() < 1e-5
    assert sum(p.numel() for p in loaded.parameters()) == sum(p.numel() for p in student.parameters())
    again = load_student(tmp_path / "student", teacher)
    assert np.abs(again.encode(FOREIGN) - student.encode(FOREIGN)).max() < 1e-5


def test_its_vectors_can_be_cached(teacher, tmp_path):
    cache = TeacherCache.build(teacher, TEXTS, tmp_path / "cache", progress=False)
    found, expected = cache.lookup(TEXTS), next(iter_token_sets(teacher, TEXTS))
    torch.testing.assert_close(found.tokens_BND, expected.tokens_BND, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found.vector_BD, expected.vector_BD, rtol=1e-3, atol=1e-5)
