"""Several teachers, by language or their mean: who teaches which pair, in the closed form and in the steps."""

import pytest
import tiny_pairs
import torch
from test_trainer import arguments, losses
from torch.nn.functional import cosine_similarity

from optical_hf.losses import LOSSES
from optical_hf.models import as_late_interaction, fit_alignment, iter_token_sets, token_projection
from optical_hf.models.teachers.language_teachers import TeachersByLanguage
from optical_hf.models.teachers.mean_teacher import MeanOfTeachers
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.models.tiny import tiny_encoder
from optical_hf.training import OTDistillationTrainer


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
    [found] = teachers.token_sets(teachers.features(texts, languages))
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
    with pytest.raises(ValueError, match="one width and pooling"):
        OTDistillationTrainer(student, {"de": one, "so": other_teacher(16)}, arguments(tmp_path))
    with pytest.raises(ValueError, match="same object"):
        OTDistillationTrainer(student, {"de": one, "so": student}, arguments(tmp_path))
    with pytest.raises(ValueError, match="a pair is in 'mr'"):
        OTDistillationTrainer(student, {"de": one, "so": one}, arguments(tmp_path), tiny_pairs.bitext()).train()
    with pytest.raises(ValueError, match="held_out needs the teacher itself"):
        fit_alignment(student, TeachersByLanguage({"de": one}), tiny_pairs.bitext(), held_out=10)


@pytest.mark.parametrize("alignment", ["none", "transport"])
@pytest.mark.parametrize("cached", [False, True])
def test_the_mean_of_two_equal_teachers_is_one_teacher(tmp_path, alignment, cached):
    def run(several: bool) -> list[float]:
        student, teacher = tiny_pairs.pair()
        if cached:
            teacher = TeacherCache.build(teacher, tiny_pairs.bitext(), tmp_path / "cache", progress=False)
        args = arguments(tmp_path, alignment=alignment, losses="transport,pooled_cosine,kl_maxsim")
        made = OTDistillationTrainer(student, [teacher, teacher] if several else teacher, args, tiny_pairs.bitext())
        made.train()
        return losses(made)

    assert run(True) == pytest.approx(run(False), rel=1e-5)


def test_every_loss_is_the_mean_over_two_different_teachers(tmp_path):
    student, one = tiny_pairs.pair()
    args = arguments(tmp_path, losses=",".join(LOSSES))
    rows = list(tiny_pairs.bitext().select(range(40, 48)))

    def terms(teacher) -> dict[str, torch.Tensor]:
        made = OTDistillationTrainer(student.eval(), teacher, args)
        return made.compute_loss(made.model, made.data_collator(rows), return_outputs=True)[1]

    mean, first, second = terms([one, other_teacher()]), terms(one), terms(other_teacher())
    for name in LOSSES:
        assert not torch.allclose(first[name], second[name], rtol=1e-3)
        assert torch.allclose(mean[name], (first[name] + second[name]) / 2, rtol=1e-4, atol=1e-6), name


def test_the_closed_form_of_two_is_that_of_their_pairs_together():
    # Ridge is linear in its targets, so the map to the mean of two teachers is the mean of the maps to each.
    def fitted(teacher, method: str) -> torch.Tensor:
        student = tiny_pairs.pair()[0]
        fit_alignment(student, teacher, tiny_pairs.bitext(), method=method, regularisation=1e-3, progress=False)
        return token_projection(student).linear.weight.detach()

    one, other = tiny_pairs.teacher(), other_teacher()
    assert torch.allclose(fitted([one, other], "ridge"), (fitted(one, "ridge") + fitted(other, "ridge")) / 2, atol=1e-3)
    assert torch.allclose(fitted([one, one], "transport"), fitted(one, "transport"), atol=1e-4)
    assert torch.allclose(fitted([one, other], "transport"), fitted((other, one), "transport"), atol=1e-4)


def test_a_teacher_with_longer_tokens_has_no_more_say():
    one, other = tiny_pairs.teacher(), other_teacher()
    mean = MeanOfTeachers([one, other])
    texts = ["a dog", "three boys sleep on the grass"]
    features = mean.features(texts)
    before = mean.token_sets(features)
    norm = other[0].model.encoder.layer[-1].output.LayerNorm
    with torch.no_grad():
        norm.weight *= 9
        norm.bias *= 9
    after = mean.token_sets(features)
    alone = [next(iter_token_sets(teacher, texts)) for teacher in (one, other)]
    for sets in (before, after):
        lengths = [(s.tokens_BND.norm(dim=-1) * s.mask_BN).sum(1) / s.mask_BN.sum(1) for s in sets]
        assert torch.allclose(*lengths, rtol=1e-4)
    for leveled, raw in zip(after, alone, strict=True):
        cosine = cosine_similarity(leveled.tokens_BND, raw.tokens_BND, dim=-1)
        assert torch.allclose(cosine[raw.mask_BN], torch.ones(()), atol=1e-4)
        assert torch.allclose(leveled.vector_BD, raw.vector_BD, atol=1e-5)


def test_a_mean_that_does_not_fit_is_refused(tmp_path):
    student, one = tiny_pairs.pair()

    def refused(teacher, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            OTDistillationTrainer(student, teacher, arguments(tmp_path))

    refused([], "got none")
    refused([one, other_teacher(16)], "one width and pooling")
    refused([one, as_late_interaction(other_teacher())], "of one kind.*late_interaction")
    refused({"de": one, "so": as_late_interaction(other_teacher())}, "of one kind.*late_interaction")
    refused([one, student], "same object")
    refused([other_teacher(16), other_teacher(16)], "wider than the teacher")
    refused([one, {"de": one}], "cannot be nested")
    refused({"de": [one, one]}, "cannot be nested")
    refused("a/path", "expected a sentence-transformers .* got str")
    refused([one, "a/path"], "expected a sentence-transformers .* got str")
    with pytest.raises(ValueError, match="held_out needs the teacher itself"):
        fit_alignment(student, [one, one], tiny_pairs.bitext(), held_out=10)
