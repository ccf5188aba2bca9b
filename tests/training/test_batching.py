"""What a step sees: a budget of tokens, drawn languages, streams, loaders in other processes, a batch that does not fit."""

from collections import Counter

import pytest
import tiny_pairs
import torch
from datasets import concatenate_datasets
from test_trainer import arguments, losses

from optical_hf.training import OTDistillationTrainer


def trainer(folder, dataset=None, **kwargs):
    student, teacher = tiny_pairs.pair()
    dataset = tiny_pairs.bitext() if dataset is None else dataset
    return OTDistillationTrainer(student, teacher, arguments(folder, **kwargs), dataset)


def batches(run) -> list[dict]:
    return list(run.get_train_dataloader())


def student_tokens(batch: dict) -> int:
    return batch["student"]["input_ids"].numel()


def test_a_budget_of_tokens_is_kept_and_every_pair_is_seen_once(tmp_path):
    run = trainer(tmp_path, per_device_train_batch_size=64, tokens_per_batch=400)
    found = batches(run)
    assert max(map(student_tokens, found)) <= 400
    assert len({len(batch["ids"]) for batch in found}) > 1
    assert sorted(i for batch in found for i in batch["ids"]) == sorted(tiny_pairs.bitext()["id"])


@pytest.mark.slow
def test_lengths_are_counted_as_batches_need_them(tmp_path):
    rows = concatenate_datasets([tiny_pairs.bitext()] * 220)  # 21,120
    run = trainer(tmp_path, rows, per_device_train_batch_size=64, tokens_per_batch=400)
    counted = []
    read = run.model.tokenizer.__class__.__call__

    def counting(self, texts, *args, **kwargs):
        counted.append(len(texts))
        return read(self, texts, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.model.tokenizer.__class__, "__call__", counting)
        batch = next(iter(run.get_train_dataloader()))
    assert student_tokens(batch) <= 400
    assert sum(counted) < 20_000


def test_a_budget_for_single_pairs_is_refused(tmp_path):
    run = trainer(tmp_path, per_device_train_batch_size=64, tokens_per_batch=1)
    with pytest.raises(ValueError, match=r"\(tokens_per_batch\) leaves 96 of 96 batches with one row"):
        run.train()


@pytest.mark.slow
def test_grouping_by_length_wastes_less_padding_and_says_so(tmp_path):
    wasted = {}
    for budget in (None, 400):
        run = trainer(tmp_path, max_steps=6, tokens_per_batch=budget, per_device_train_batch_size=16, logging_steps=6)
        run.train()
        wasted[budget] = float(next(entry["padding"] for entry in run.state.log_history if "padding" in entry))
    assert 0 <= wasted[400] < 0.6 * wasted[None]


def test_transformers_own_grouping_by_length_is_read(tmp_path):
    run = trainer(tmp_path, per_device_train_batch_size=16)
    run.args.train_sampling_strategy = "group_by_length"
    assert {len(batch["ids"]) for batch in batches(run)} == {16}
    assert sum(map(student_tokens, batches(run))) < sum(map(student_tokens, batches(trainer(tmp_path))))


def test_a_column_of_lengths_is_taken(tmp_path):
    rows = tiny_pairs.bitext()
    rows = rows.add_column("length", [200] * 48 + [50] * 48)
    found = batches(trainer(tmp_path, rows, per_device_train_batch_size=64, tokens_per_batch=400))
    assert sorted(len(batch["ids"]) for batch in found) == [2] * 24 + [8] * 6


@pytest.mark.parametrize("budget", [None, 400])
def test_languages_are_drawn(tmp_path, budget):
    run = trainer(tmp_path, sampling_temperature=1e9, tokens_per_batch=budget, per_device_train_batch_size=16)
    drawn = Counter(code for batch in batches(run) for code in batch["languages"])
    assert drawn.keys() == {"de", "so", "mr"}
    assert max(drawn.values()) - min(drawn.values()) <= 12
    plain = Counter(code for batch in batches(trainer(tmp_path)) for code in batch["languages"])
    assert plain == {"de": 48, "so": 24, "mr": 24}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "stream"])
def test_a_run_goes_on_with_the_batches_it_would_have_seen(tmp_path, kind):
    """Five steps are an epoch: the stop lies in the second, the end in the third."""
    if kind == "table":
        rows, more = None, {"sampling_temperature": 3.0, "tokens_per_batch": 500, "per_device_train_batch_size": 32}
    else:
        rows = tiny_pairs.bitext().to_iterable_dataset().shuffle(seed=3, buffer_size=50)
        more = {"per_device_train_batch_size": 20}

    def run(name, **kwargs):
        return trainer(tmp_path / name, rows, max_steps=12, **(more | kwargs))

    whole = run("a")
    whole.train()
    run("b", save_strategy="steps", save_steps=7).train()
    rest = run("b")
    rest.train(resume_from_checkpoint=str(tmp_path / "b" / "checkpoint-7"))
    assert losses(rest)[-5:] == losses(whole)[-5:]
    for one, two in zip(whole.model.parameters(), rest.model.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.slow
def test_a_stream_is_trained_on_and_grouped_by_length(tmp_path):
    rows = tiny_pairs.bitext().to_iterable_dataset()
    plain = trainer(tmp_path, rows, max_steps=8, per_device_train_batch_size=16, alignment="ridge")
    plain.train()
    assert losses(plain)[-1] < losses(plain)[0]
    grouped = trainer(tmp_path, rows, max_steps=8, per_device_train_batch_size=16)
    grouped.args.train_sampling_strategy = "group_by_length"
    grouped.train()
    means = [
        sum(float(entry["padding"]) for entry in run.state.log_history if "padding" in entry)
        for run in (plain, grouped)
    ]
    assert means[1] < 0.8 * means[0]


@pytest.mark.parametrize("kwargs", [{"sampling_temperature": 2.0}, {"tokens_per_batch": 100}])
def test_what_a_stream_cannot_do_is_refused(tmp_path, kwargs):
    run = trainer(tmp_path, tiny_pairs.bitext().to_iterable_dataset(), **kwargs)
    with pytest.raises(ValueError, match=r"train_dataset is a stream.*interleave_languages"):
        run.train()


def test_languages_without_a_column_are_refused(tmp_path):
    run = trainer(tmp_path, tiny_pairs.bitext().remove_columns("language"), sampling_temperature=2.0)
    with pytest.raises(ValueError, match="no column 'language'"):
        run.train()


@pytest.mark.slow
@pytest.mark.parametrize("rows", ["table", "stream"])
def test_tokenizing_in_another_process_changes_nothing(tmp_path, rows):
    dataset = tiny_pairs.bitext()
    dataset = dataset.to_iterable_dataset() if rows == "stream" else dataset
    curves = []
    for workers in (0, 1):
        run = trainer(tmp_path, dataset, max_steps=4, dataloader_num_workers=workers)
        run.train()
        curves.append(losses(run))
    assert curves[0] == curves[1]


@pytest.mark.slow
def test_a_batch_that_does_not_fit_is_made_smaller(tmp_path, monkeypatch):
    seen = []

    class Small(OTDistillationTrainer):
        def compute_loss(self, model, inputs, *args, **kwargs):
            seen.append(len(inputs["ids"]))
            if len(inputs["ids"]) > 6:
                raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
            return super().compute_loss(model, inputs, *args, **kwargs)

    student, teacher = tiny_pairs.pair()
    args = arguments(tmp_path, auto_find_batch_size=True, per_device_train_batch_size=10, tokens_per_batch=1024)
    run = Small(student, teacher, args, tiny_pairs.bitext())
    run.train()
    assert seen[0] > 6
    assert max(seen[-3:]) <= 6
    assert len(losses(run)) == 3
    assert run.state.global_step == 3
