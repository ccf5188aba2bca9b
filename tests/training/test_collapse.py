"""What tells that a student's vectors fall together, and the run that is stopped for it."""

import logging

import pytest
import torch
from test_callbacks import trainer
from torch.nn.functional import normalize
from transformers import TrainerControl, TrainerState

from optical_hf.losses import PairTensors
from optical_hf.models.tokens import TokenSet
from optical_hf.training.callbacks import (
    CollapseDetector,
    CollapseError,
    TrainingBatch,
)
from optical_hf.training.callbacks.collapse import spread


def batch(student_BD, teacher_BD):
    """A training batch of one token a text."""
    mask_B1 = torch.ones(len(student_BD), 1, dtype=torch.bool)
    sides = [TokenSet(vector.unsqueeze(1), mask_B1, mask_B1, vector) for vector in (student_BD, teacher_BD)]
    masks = mask_B1, mask_B1
    pairs = PairTensors(student_BD.unsqueeze(1), *masks, teacher_BD.unsqueeze(1), *masks, student_BD, teacher_BD)
    return TrainingBatch({}, *sides, pairs, torch.zeros(len(student_BD)))


def vectors(count, width=32, common=0.0, seed=0):
    """Random directions, with a part that all of them share."""
    random_BD = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return normalize(random_BD) + common * normalize(torch.ones(width), dim=0)


class TestSpread:
    def test_orthogonal_equal_and_opposite_vectors(self):
        assert spread(torch.eye(5)) == pytest.approx((0.0, 5.0))
        assert spread(torch.ones(4, 3)) == pytest.approx((1.0, 1.0), abs=1e-3)
        line_BD = torch.tensor([[1.0, 0], [-1, 0], [2, 0], [-3, 0]])  # no two in one direction, yet one dimension
        assert spread(line_BD) == pytest.approx((-1 / 3, 1.0), abs=1e-3)

    def test_agrees_with_the_definition(self):
        units_BD = normalize(vectors(9))
        cosine_BB = units_BD @ units_BD.T
        share_B = torch.linalg.svdvals(units_BD)
        share_B = share_B / share_B.sum()
        assert spread(units_BD).mean_cosine == pytest.approx(float((cosine_BB.sum() - 9) / 72), abs=1e-5)
        assert spread(units_BD).effective_rank == pytest.approx(float((-share_B * share_B.log()).sum().exp()), rel=1e-4)


class TestCollapse:
    def look(self, detector, student_BD, teacher_BD, steps):
        state, control = TrainerState(), TrainerControl()
        for step in range(1, steps + 1):
            state.global_step = step
            detector.on_batch(None, state, control, batch(student_BD, teacher_BD))
            detector.on_step_end(None, state, control)

    def test_one_vector_for_all_texts_stops_with_the_reason(self):
        detector = CollapseDetector(every=5)
        with pytest.raises(
            CollapseError, match=r"step 10: .*the same vector.*effective rank .* mean cosine .*learning_rate"
        ):
            self.look(detector, vectors(32, common=30.0), vectors(32, seed=1), 10)
        assert detector.logs()["mean_cosine"] > 0.99

    def test_vectors_on_a_line_stop_too(self):
        line_BD = torch.randn(32, 1) * torch.ones(1, 32)
        with pytest.raises(CollapseError):
            self.look(CollapseDetector(every=1), line_BD, vectors(32), 2)

    def test_the_high_cosine_of_an_encoder_that_is_not_trained_is_no_collapse(self):
        """multilingual-e5-small: mean cosine 0.78, effective rank 0.7 of the teacher's (docs/log/2026-11/guards.md)."""
        student_BD = vectors(32, common=1.9)
        assert spread(student_BD).mean_cosine > 0.75
        self.look(CollapseDetector(every=1), student_BD, vectors(32, seed=1), 50)

    def test_texts_that_are_alike_are_no_collapse(self):
        alike_BD = vectors(1).repeat(32, 1)
        detector = CollapseDetector(every=1)
        self.look(detector, alike_BD, alike_BD, 10)
        assert detector.logs()["mean_cosine"] == pytest.approx(1)

    def test_small_batches_are_read_together(self):
        detector = CollapseDetector(every=20, rows=16)
        student_BD, teacher_BD = vectors(40), vectors(40, seed=1)
        state, control = TrainerState(), TrainerControl()
        for step in range(20):
            state.global_step = step + 1
            part = slice(2 * step, 2 * step + 2)
            detector.on_batch(None, state, control, batch(student_BD[part], teacher_BD[part]))
            detector.on_step_end(None, state, control)
        assert detector.logs()["effective_rank"] == pytest.approx(spread(student_BD[-16:]).effective_rank, rel=1e-3)

    def test_warn_says_it_once_and_goes_on(self, caplog):
        with caplog.at_level(logging.WARNING):
            self.look(CollapseDetector("warn", every=1), vectors(32, common=30.0), vectors(32), 9)
        assert caplog.text.count("nearly the same vector") == 1

    def test_a_run_that_collapses_stops(self, tmp_path):
        run = trainer(tmp_path, max_steps=30, callbacks=[CollapseDetector(every=2)])
        last = run.model[1]

        def collapse(module, inputs, output):
            output["token_embeddings"] = output["token_embeddings"] * 1e-4 + torch.ones(32)
            return output

        last.register_forward_hook(collapse)
        with pytest.raises(CollapseError):
            run.train()
        assert run.state.global_step == 4


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.real
def test_a_real_student_is_not_collapsed_before_it_is_trained(real_models, shared_data):
    from optical_hf.data import load_bitext
    from optical_hf.models import load_student, load_teacher, preprocess_queries, token_set

    teacher = load_teacher(str(real_models / "all-MiniLM-L6-v2"))
    student = load_student(str(real_models / "multilingual-e5-small"), teacher, max_seq_length=32)
    rows = load_bitext([str(shared_data / "tatoeba_train" / "mar-eng.tsv.gz")], on_bad_row="drop")[:16]
    found = []
    for model, texts in ((student, rows["target"]), (teacher, rows["source"])):
        features = preprocess_queries(model, texts)
        with torch.no_grad():
            found.append(spread(token_set(model, features, model(dict(features), task="query")).vector_BD))
    assert found[0].mean_cosine > 0.6  # high by itself ...
    assert (
        found[0].effective_rank > 2 * CollapseDetector().rank_share * found[1].effective_rank
    )  # ... and far from collapse
