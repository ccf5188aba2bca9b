"""A loss that is not finite on one of two processes: both stop, or both leave out the same step."""

import re

import fault_runs
import pytest
import torch
from fault_runs import started
from test_guards import named, poison

pytestmark = pytest.mark.slow


def poisoned(folder, resume, at, options):
    """A run in which one pair, which one of the processes reads, has a loss that is not finite."""
    run = fault_runs.trainer(folder, max_steps=6, save_strategy="no", sampling_temperature=None, **options)
    run.train_dataset = named(run.train_dataset)
    poison(run, {"pair-11"}).train()
    torch.save(fault_runs.weights(run.model), folder / f"weights-{run.args.process_index}.pt")


def test_both_stop_and_name_the_pair(tmp_path):
    codes, told = started(tmp_path / "run", poisoned, processes=2)
    assert codes == [1, 1], told[-3000:]
    errors = re.findall(r"BadBatchError: step (\d+): the loss is not finite for 1 pairs: 'pair-11'", told)
    assert len(errors) == 2
    assert len(set(errors)) == 1


def test_both_leave_out_the_same_step(tmp_path):
    codes, told = started(tmp_path / "run", poisoned, processes=2, on_bad_batch="skip")
    assert codes == [0, 0], told[-3000:]
    skipped = re.findall(r"step (\d+) is left out: the loss is not finite for 1 pairs: 'pair-11'", told)
    assert skipped  # told once, by the main process, of whichever process read the pair
    assert len(skipped) == len(set(skipped))
    one, two = (torch.load(tmp_path / "run" / f"weights-{rank}.pt") for rank in range(2))
    assert torch.equal(one, two)
    assert one.isfinite().all()
