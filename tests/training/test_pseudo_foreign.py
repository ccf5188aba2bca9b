"""Documents that are moved by the difference of a pair: which, by what, with which gradient, the same after a resume."""

import pytest
import tiny_pairs
import torch
from test_trainer import arguments, losses
from torch.nn.functional import normalize

from optical_hf.models import preprocess, token_projection, token_set
from optical_hf.models.views import as_backbone
from optical_hf.scenes import scenes_bitext
from optical_hf.training import OTDistillationTrainer
from optical_hf.training.trainer.pseudo_foreign import PseudoForeign


def documents() -> list[str]:
    return list(dict.fromkeys(scenes_bitext({"de": 60}, seed=5)["source"][:]))


def trainer(folder, bitext=None, texts=None, kind=None, **more):
    student, teacher = tiny_pairs.pair(kind=kind)
    settings = {"losses": "contrastive", "pseudo_foreign": 1.0} | more
    return OTDistillationTrainer(student, teacher, arguments(folder, **settings), bitext, documents=texts)


def read(student, texts):
    features = preprocess(student, texts, "query")
    return token_set(student, features, student(dict(features), task="query"))


def test_a_document_is_moved_by_the_difference_of_a_pair_before_the_projection():
    student, pairs = tiny_pairs.pair()[0].eval(), tiny_pairs.bitext().select(range(3))
    move = PseudoForeign.read(1.0, student, pairs, "mean")
    plain, backbone = read(student, ["a red ball", "a dog"]), as_backbone(student)
    own, foreign, english = (
        read(backbone, texts).vector_BD for texts in (["a red ball"], pairs["target"][:], pairs["source"][:])
    )
    wanted = normalize(token_projection(student).linear(own + foreign - english), dim=1)
    found = move(student, plain, torch.tensor([True, False])).vector_BD
    assert (found[0] - wanted).norm(dim=1).min() < 1e-5
    assert torch.equal(found[1], plain.vector_BD[1])
    found[0, 0].backward()
    assert token_projection(student).linear.weight.grad.count_nonzero() > 0


def test_a_share_of_them_is_moved():
    student = tiny_pairs.pair()[0].eval()
    torch.manual_seed(0)
    with torch.no_grad():
        plain = read(student, documents())
        move = PseudoForeign.read(0.5, student, tiny_pairs.bitext(), "mean")
        found = move(student, plain, torch.ones(len(documents()), dtype=torch.bool))
    moved = (found.vector_BD != plain.vector_BD).any(dim=1).float().mean()
    assert 0.3 < moved < 0.7
    assert torch.equal(found.tokens_BND, plain.tokens_BND)


def test_bitext_without_translations_is_refused():
    with pytest.raises(ValueError, match="pairs whose sides differ"):
        PseudoForeign.read(1.0, tiny_pairs.pair()[0], [{"source": "a", "target": "a"}], "mean")


def test_what_has_nothing_to_move_is_refused_when_the_trainer_is_made(tmp_path):
    for bitext, texts, kind, told in (
        (None, documents(), None, "pass train_dataset"),
        (tiny_pairs.bitext(), None, None, "pass documents too"),
        (tiny_pairs.bitext(), documents(), "late_interaction", "the student has one a token"),
    ):
        with pytest.raises(ValueError, match=told):
            trainer(tmp_path, bitext, texts, kind)


@pytest.mark.slow
def test_it_changes_the_documents_of_training_alone_and_a_resumed_run_goes_on_as_it_would_have(tmp_path):
    often = {"save_strategy": "steps", "save_steps": 2, "max_steps": 4}
    whole = trainer(tmp_path / "whole", tiny_pairs.bitext(), documents(), **often)
    whole.train()
    plain = trainer(tmp_path / "plain", tiny_pairs.bitext(), documents(), pseudo_foreign=0.0, **often)
    plain.train()
    assert losses(whole)[0] > losses(plain)[0]
    rest = trainer(tmp_path / "rest", tiny_pairs.bitext(), documents(), **often)
    rest.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    assert torch.equal(rest.shifts.shift_PD, whole.shifts.shift_PD)
    assert losses(rest) == pytest.approx(losses(whole), rel=1e-4)
