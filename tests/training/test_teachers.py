"""Teachers by language: who teaches which pair, in the closed form and in the steps."""

import pytest
import tiny_pairs
import torch
from test_trainer import arguments, losses

from optical_hf.models import as_late_interaction, fit_alignment, iter_token_sets
from optical_hf.models.teachers.language_teachers import TeachersByLanguage
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.models.tiny import tiny_encoder
from optical_hf.training import OTDistillationTrainer

pytestmark = pytest.mark.slow


def other_teacher(width: int = 32):
    return (
        tiny_encoder(tiny_pairs.bitext()["source"], width=width, vocabulary_size=150, seed=7)
        .requires_grad_(False)
        .eval()
    )


def test_each_text_is_read_by_the_teacher_of_its_language():
    one, other = tiny_pairs.teacher(), other_teacher()
    texts, languages = ["a dog", "three boys sleep on the grass", "a ball", "two dogs"], ["so", "de", "mr", "so"]
    teachers = TeachersByLanguage({"de": one, "mr": one, "so": other})
    found = teachers.token_set(teachers.features(texts, languages))
    for row, (text, code) in enumerate(zip(texts, languages, strict=True)):
        [expected] = iter_token_sets(other if code == "so" else one, [text])
        length = expected.mask_BN.shape[1]
        assert torch.equal(found.mask_BN[row, :length], expected.mask_BN[0])
        assert torch.equal(found.content_BN[row, :length], expected.content_BN[0])
        assert not found.mask_BN[row, length:].any()
        assert torch.allclose(found.tokens_BND[row, :length], expected.tokens_BND[0], atol=1e-5)
        assert torch.allclose(found.vector_BD[row], expected.vector_BD[0], atol=1e-5)


@pytest.mark.parametrize("alignment", ["none", "transport"])
def test_one_teacher_for_all_languages_is_that_teacher(tmp_path, alignment):
    def run(several: bool, cached: bool = False) -> list[float]:
        student, teacher = tiny_pairs.pair()
        if cached:
            teacher = TeacherCache.build(teacher, tiny_pairs.bitext(), tmp_path / "cache", progress=False)
        teachers = dict.fromkeys(("de", "so", "mr"), teacher) if several else teacher
        made = OTDistillationTrainer(student, teachers, arguments(tmp_path, alignment=alignment), tiny_pairs.bitext())
        made.train()
        return losses(made)

    assert run(True) == pytest.approx(run(False), rel=1e-4)
    assert run(True, cached=True) == pytest.approx(run(False), rel=5e-3)


def test_a_student_comes_nearer_to_both(tmp_path):
    student, one = tiny_pairs.pair()
    teachers = {"de": one, "mr": one, "so": other_teacher()}
    args = arguments(tmp_path, max_steps=12, dataloader_num_workers=1)
    run = OTDistillationTrainer(student, teachers, args, tiny_pairs.bitext())
    run.train()
    assert losses(run)[-1] < losses(run)[0]


def test_teachers_that_do_not_fit_are_refused(tmp_path):
    student, one = tiny_pairs.pair()
    narrow = other_teacher(16)
    for teacher, message in (
        ({}, "got none"),
        ({"de": one, "so": narrow}, "one width and pooling"),
        ({"de": narrow, "so": narrow}, "wider than the teacher"),
        ({"de": one, "so": as_late_interaction(other_teacher())}, "of one kind.*late_interaction"),
        ({"de": one, "so": student}, "same object"),
        ({"de": {"so": one}}, "one teacher or one token cache"),
        ("a/path", "expected a sentence-transformers .* got str"),
        ({"de": one, "so": "a/path"}, "expected a sentence-transformers .* got str"),
        ([one, one], "expected a sentence-transformers .* got list"),
    ):
        with pytest.raises(ValueError, match=message):
            OTDistillationTrainer(student, teacher, arguments(tmp_path))
    with pytest.raises(ValueError, match="a pair is in 'mr'"):
        OTDistillationTrainer(student, {"de": one, "so": one}, arguments(tmp_path), tiny_pairs.bitext()).train()
    with pytest.raises(ValueError, match="held_out needs the teacher itself"):
        fit_alignment(student, TeachersByLanguage({"de": one}), tiny_pairs.bitext(), method="transport", held_out=10)
