"""Pooling follows the mask: what the closed form pools is what sentence-transformers pools, on whichever side padding is."""

from pathlib import Path

import pytest
import tiny_pairs
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize
from sentence_transformers.sentence_transformer.modules import Pooling

from optical_hf.models import as_backbone, as_late_interaction, as_vector, build_student, fit_alignment, iter_token_sets
from optical_hf.models.alignment.pair_tokens import LINEAR, PairTokenReader, pooled
from optical_hf.models.teachers.teacher import EncoderTeacher
from optical_hf.models.teachers.token_cache import TeacherCache

TEXTS = ["a dog", "two red balls and a very small green house beside a tree", "a cat"]


def padded(model: SentenceTransformer, side: str, mode: str, normalised: bool = True) -> SentenceTransformer:
    """The model with padding on a side, pooling its tokens by `mode`."""
    model.tokenizer.padding_side = side
    modules = [model[0], Pooling(model[0].get_embedding_dimension(), mode)]
    return SentenceTransformer(modules=modules + [Normalize()] * normalised, device="cpu").eval()


@pytest.mark.parametrize("mode", LINEAR)
@pytest.mark.parametrize("side", ["left", "right"])
def test_pooled_tokens_are_what_sentence_transformers_pools(side: str, mode: str, tmp_path: Path):
    model = padded(tiny_pairs.teacher(), side, mode, normalised=False)
    expected_BD = model.encode(TEXTS, convert_to_tensor=True)
    [tokens] = iter_token_sets(model, TEXTS)
    torch.testing.assert_close(pooled(tokens, mode), expected_BD)
    cache = TeacherCache.build(model, TEXTS, tmp_path, progress=False)
    assert cache.identity.pooling == mode
    torch.testing.assert_close(pooled(cache.lookup(TEXTS), mode), expected_BD, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("mode", ["cls", "lasttoken"])
def test_the_closed_form_fits_what_a_left_padded_student_is_searched_by(mode: str):
    teacher = padded(tiny_pairs.teacher(), "left", mode)
    backbone = tiny_pairs.backbone()
    backbone.tokenizer.padding_side = "left"
    student = build_student(backbone, teacher)
    assert student[2].pooling_mode == mode
    rows = tiny_pairs.bitext(48)
    fit_alignment(student, teacher, rows, method="ridge", regularisation=1e-6, also_english=False, progress=False)
    batch = next(
        iter(PairTokenReader(EncoderTeacher(as_backbone(student)), EncoderTeacher(teacher), rows, progress=False))
    )
    mapped_BK = student[1].linear(pooled(batch.student, mode))
    [own] = iter_token_sets(student, sorted(rows["target"], key=len))
    torch.testing.assert_close(torch.nn.functional.normalize(mapped_BK, dim=1), own.vector_BD, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
def test_views_leave_padding_out(side: str):
    model = padded(tiny_pairs.teacher(), side, "mean")
    together = as_late_interaction(model).encode_query(TEXTS)
    assert [len(tokens) for tokens in together] == [len(model.tokenizer(text)["input_ids"]) for text in TEXTS]
    vectors = as_vector(as_late_interaction(model), "lasttoken").encode(TEXTS, convert_to_tensor=True)
    torch.testing.assert_close(vectors, torch.stack([tokens[-1] for tokens in together]))


def test_a_pooling_that_no_linear_map_goes_through_is_refused():
    [tokens] = iter_token_sets(tiny_pairs.teacher(), TEXTS)
    with pytest.raises(ValueError, match="expected a model that pools by one of mean, cls"):
        pooled(tokens, "max")
