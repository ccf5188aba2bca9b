"""Batch x accumulation x processes x an uneven last batch: each pair counts once, whatever a run is cut into.

Gradients of two real processes are compared by test_processes.py, for every loss.
"""

import itertools

import pytest
import tiny_pairs
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_trainer import arguments, losses
from torch.utils.data import BatchSampler

from optical_hf.losses import LOSSES, MaxSimLoss, SearchLoss
from optical_hf.training import OTDistillationTrainer
from optical_hf.training.trainer.sharing import SharedBatches

pytestmark = pytest.mark.slow

SHAPES = {
    "rows": st.integers(3, 60),
    "size": st.integers(2, 9),
    "processes": st.integers(1, 5),
    "least": st.integers(1, 2),
}


@given(**SHAPES)
def test_every_row_is_dealt_out_once_and_all_processes_take_as_many_steps(rows, size, processes, least):
    batches = BatchSampler(range(rows), size, drop_last=False)
    shares = [SharedBatches(batches, processes, process, least=least) for process in range(processes)]
    if rows < processes:
        with pytest.raises(ValueError, match="there is none before it"):
            list(shares[0])
        return
    dealt = [list(share) for share in shares]
    assert sorted(itertools.chain(*itertools.chain(*dealt))) == list(range(rows))
    assert {len(batches) for batches in dealt} == {len(shares[0])} == {-(-rows // (size * processes))}
    assert all(0 < len(batch) <= size for batches in dealt for batch in batches)
    steps = [sum(map(len, step)) for step in zip(*dealt, strict=True)]
    assert min(steps) >= min(rows, max(least, processes)) or size == 2  # three rows make no two batches of two


@given(**SHAPES)
def test_a_last_batch_that_is_dropped_is_dropped_whole(rows, size, processes, least):
    batches = BatchSampler(range(rows), size, drop_last=False)
    shares = [SharedBatches(batches, processes, process, least=least, drop_last=True) for process in range(processes)]
    dealt = [list(share) for share in shares]
    whole = rows // (size * processes)
    assert sorted(itertools.chain(*itertools.chain(*dealt))) == list(range(whole * size * processes))
    assert {len(batches) for batches in dealt} == {len(share) for share in shares} == {whole}


def trainer(folder, rows=96, **kwargs):
    student, teacher = tiny_pairs.pair()
    return OTDistillationTrainer(student, teacher, arguments(folder, **kwargs), tiny_pairs.bitext().select(range(rows)))


@pytest.fixture(scope="module", params=LOSSES)
def made(request, tmp_path_factory):
    """A trainer of each loss."""
    return trainer(tmp_path_factory.mktemp("scaling"), losses=request.param)


def gradient(run, parts, count):
    """What the parts of a step add up to, each computed and scaled as the trainer does."""
    run.model.train().zero_grad()
    for part in parts:
        run.compute_loss(run.model, run.data_collator(part), num_items_in_batch=count).backward()
    return torch.cat([p.grad.flatten() for p in run.model.parameters() if p.grad is not None])


@settings(max_examples=3)
@given(count=st.integers(2, 14), size=st.integers(1, 6))
def test_the_gradient_of_a_step_is_the_mean_over_its_pairs_for_every_loss(made, count, size):
    """In one batch or in several, the last of another size; losses that compare pairs do so within a part."""
    rows = [made.train_dataset[place] for place in range(count)]
    parts = [rows[start : start + size] for start in range(0, count, size)]
    if isinstance(next(iter(made.losses)), SearchLoss | MaxSimLoss):
        expected = sum(len(part) / count * gradient(made, [part], len(part)) for part in parts)
    else:
        expected = gradient(made, [rows], count)
    assert torch.allclose(gradient(made, parts, count), expected, rtol=1e-3, atol=1e-5)


def test_a_pair_that_is_left_over_is_no_step_of_nothing(tmp_path):
    run = trainer(tmp_path, rows=17, losses="contrastive", max_steps=-1, num_train_epochs=2)
    run.train()
    assert run.state.global_step == 6
    assert min(losses(run)) > 0.01
