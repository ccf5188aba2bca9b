"""What is looked at before the first step and in each batch: rows that cannot be learnt from, losses that are not finite."""

import itertools
import logging

import numpy as np
import pytest
import tiny_pairs
import torch
from test_trainer import arguments, losses
from transformers import TrainerCallback

from optical_hf.losses import PairTensors
from optical_hf.models.tiny import tiny_tokenizer
from optical_hf.training import OTDistillationTrainer
from optical_hf.training.callbacks import BadBatchError
from optical_hf.training.checks.guards import check_rows, empty_pairs, english_share, finite_pairs, unknown_share

ROWS = [
    {"source": "The dog is in the garden with a ball.", "target": "Der Hund ist mit einem Ball im Garten.", "language": "de"},
    {"source": "She was reading the newspaper.", "target": "Sie las die Zeitung.", "language": "de"},
    {"source": "They have not eaten.", "target": "त्यांनी जेवण केले नाही.", "language": "mr"},
    {"source": "The houses of this town are old.", "target": "या गावातील घरे जुनी आहेत.", "language": "mr"},
]  # fmt: skip


def swapped(rows):
    return [row | {"source": row["target"], "target": row["source"]} for row in rows]


@pytest.fixture(scope="module")
def english():
    return tiny_tokenizer([row["source"] for row in ROWS], 120)


@pytest.fixture(scope="module")
def multilingual():
    return tiny_tokenizer([row["target"] for row in ROWS], 300)


class TestRows:
    def test_sound_rows_pass_in_silence(self, english, multilingual, caplog):
        check_rows(ROWS, multilingual, english)
        assert not caplog.records

    def test_exchanged_sides_are_an_error_with_the_fix(self):
        with pytest.raises(ValueError, match=r"look exchanged.*Der Hund.*rename_columns"):
            check_rows(swapped(ROWS), None)

    def test_the_same_text_on_both_sides_is_an_error(self):
        with pytest.raises(ValueError, match="same text in 4 of 4 pairs"):
            check_rows([row | {"target": row["source"]} for row in ROWS], None)

    def test_a_script_the_student_does_not_know_is_an_error_that_names_the_language(self, english):
        german = tiny_tokenizer([row["target"] for row in ROWS[:2]], 120)
        with pytest.raises(
            ValueError, match=r"student's tokenizer does not know the target side \(mr \d+%.*vocabulary"
        ):
            check_rows(ROWS, german, english)

    def test_a_few_unknown_pieces_are_a_warning(self, caplog):
        whole = tiny_tokenizer(["abcdefghij"], 60)
        rows = [{"source": "x", "target": "abcde ж ж", "language": "xx"}]
        with caplog.at_level(logging.WARNING):
            check_rows(rows, whole)
        assert "xx" in caplog.text
        assert "does not know the target side" in caplog.text

    def test_a_teacher_that_cannot_read_its_side_is_an_error(self, multilingual):
        marathi = tiny_tokenizer([row["target"] for row in ROWS[2:]], 120)
        with pytest.raises(ValueError, match="teacher's tokenizer does not know the source side"):
            check_rows(ROWS, multilingual, marathi)

    def test_models_that_look_exchanged_are_a_warning(self, english, caplog):
        texts = [row["target"] for row in ROWS[:2]]
        letters, words = tiny_tokenizer(texts, 40), tiny_tokenizer([*texts, *(row["source"] for row in ROWS)], 400)
        with caplog.at_level(logging.WARNING):
            check_rows(ROWS[:2], letters, words)
        assert "are student and teacher exchanged?" in caplog.text

    def test_rows_of_another_shape_are_left_to_the_collator(self, caplog):
        check_rows([{"text": "a"}, ("a", "b"), {"source": "", "target": None}], None)
        assert not caplog.records

    def test_shares(self, english):
        assert unknown_share(english, ["The dog"]) == 0
        assert unknown_share(english, ["ढढ ढ"]) > 0.4
        assert english_share(["The cat and the dog"]) == pytest.approx(3 / 5)


@pytest.mark.slow
@pytest.mark.real
def test_real_bitext_of_seven_languages_passes_and_its_exchange_does_not(shared_data):
    from optical_hf.data import load_bitext

    for name in ("fin", "ind", "mal", "mar", "tgl", "tur", "urd"):
        file = shared_data / "tatoeba_train" / f"{name}-eng.tsv.gz"
        rows = list(itertools.islice(load_bitext([str(file)], on_bad_row="drop"), 200))
        check_rows(rows, None)
        with pytest.raises(ValueError, match="look exchanged"):
            check_rows(swapped(rows), None)


def pairs(student_BND, mask_BN=None):
    count, length, width = student_BND.shape
    mask_BN = torch.ones(count, length, dtype=torch.bool) if mask_BN is None else mask_BN
    other = torch.ones(count, 2, width)
    all_BM = torch.ones(count, 2, dtype=torch.bool)
    return PairTensors(student_BND, mask_BN, mask_BN, other, all_BM, all_BM, student_BND.mean(1), other.mean(1))


class TestTensors:
    def test_empty_pairs(self):
        mask_BN = torch.tensor([[True, False], [False, False]])
        assert empty_pairs(pairs(torch.ones(2, 2, 3), mask_BN)).tolist() == [False, True]

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_pair_with_a_number_that_is_not_finite_is_found_and_made_harmless(self, value):
        tokens_BND = torch.ones(3, 2, 4)
        tokens_BND[1, 0, 2] = value
        relevant_BD = torch.ones(3, 4)
        relevant_BD[2, 1] = value
        given = pairs(tokens_BND)
        cleaned, bad_B = finite_pairs(given._replace(relevant_BD=relevant_BD))
        assert bad_B.tolist() == [False, True, True]
        assert cleaned.relevant_BD.isfinite().all()
        cleaned, bad_B = finite_pairs(given)
        assert bad_B.tolist() == [False, True, False]
        assert all(part.isfinite().all() for part in cleaned[:6])
        assert torch.equal(cleaned.student_BND[[0, 2]], tokens_BND[[0, 2]])

    def test_padding_may_hold_anything(self):
        tokens_BND = torch.ones(1, 2, 4)
        tokens_BND[0, 1] = float("nan")
        masked = pairs(tokens_BND, torch.tensor([[True, False]]))._replace(student_vector_BD=torch.ones(1, 4))
        assert not finite_pairs(masked)[1].any()


class Poison:
    """A collator that makes the output of a model not finite for one pair, by its id."""

    def __init__(self, collator, ids, side="student"):
        self.collator, self.ids, self.side = collator, ids, side

    def __call__(self, rows):
        batch = self.collator(rows)
        batch[self.side]["poison"] = torch.tensor([row["id"] in self.ids for row in rows])
        return batch


def poison(run, ids, side="student"):
    """Make the student of a trainer, or its teacher, give NaN for the pairs of `ids`."""
    run.data_collator = Poison(run.data_collator, ids, side)

    def spoil(module, inputs, output):
        poison_B = inputs[0].get("poison")
        if poison_B is not None:
            output["token_embeddings"] = torch.where(poison_B[:, None, None], torch.nan, output["token_embeddings"])
        return output

    (run.model if side == "student" else run.teacher.model)[0].register_forward_hook(spoil)
    return run


def named(table):
    """The bitext with the ids pair-0, pair-1, ..."""
    table = table.remove_columns("id") if "id" in table.column_names else table
    return table.add_column("id", [f"pair-{i}" for i in range(len(table))])


def poisoned(folder, ids, side="student", **kwargs):
    student, teacher = tiny_pairs.pair()
    run = OTDistillationTrainer(student, teacher, arguments(folder, **kwargs), named(tiny_pairs.bitext()))
    return poison(run, ids, side)


class TestBadBatches:
    @pytest.mark.slow
    def test_stop_names_the_pair_and_leaves_the_weights(self, tmp_path):
        run = poisoned(tmp_path, {"pair-7"}, max_steps=20)
        with pytest.raises(
            BadBatchError, match=r"the loss is not finite for 1 pairs: 'pair-7' \(\w+: '.+'\).*skip"
        ) as error:
            run.train()
        assert f"weights are those of step {run.state.global_step}." in str(error.value)
        assert all(p.isfinite().all() for p in run.model.parameters())

    @pytest.mark.slow
    def test_skip_leaves_out_the_step_and_nothing_else(self, tmp_path, caplog):
        """The weights are those of a run in which the optimizer did not see that step at all."""
        run = poisoned(tmp_path / "a", {"pair-7"}, max_steps=12, on_bad_batch="skip", lr_scheduler_type="constant")
        seen = []
        compute = run.compute_loss

        def note(model, inputs, *args, **kwargs):
            seen.append({"bad": bool(inputs["student"]["poison"].any()), "before": weights(run.model)})
            return compute(model, inputs, *args, **kwargs)

        run.compute_loss = note
        with caplog.at_level(logging.WARNING):
            run.train()
        assert [e.get("skipped_steps") for e in run.state.log_history if "loss" in e][-1] == 1
        place = next(i for i, step in enumerate(seen) if step["bad"])
        assert torch.equal(seen[place]["before"], seen[place + 1]["before"])
        moved = [not torch.equal(a["before"], b["before"]) for a, b in itertools.pairwise(seen)]
        assert moved.count(False) == 1
        assert f"step {place + 1} is left out" in caplog.text
        assert "'pair-7'" in caplog.text
        assert np.isfinite(losses(run)).all()

    @pytest.mark.slow
    def test_skip_leaves_out_the_whole_accumulated_step(self, tmp_path):
        run = poisoned(
            tmp_path, {"pair-7"}, max_steps=6, on_bad_batch="skip", per_device_train_batch_size=4, gradient_accumulation_steps=4,
        )  # fmt: skip
        states = []

        class Steps(type(run.callback_handler.callbacks[0])):
            def on_step_end(self, args, state, control, **kwargs):
                states.append(weights(run.model))

        run.add_callback(Steps())
        first = weights(run.model)
        run.train()
        moved = [not torch.equal(a, b) for a, b in itertools.pairwise([first, *states])]
        assert moved.count(False) == 1
        assert len(moved) == 6

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("side", "accumulated", "clipped"),
        [("student", 1, True), ("student", 2, False), ("teacher", 1, False), ("teacher", 2, True)],
    )
    def test_skip_leaves_out_the_step_under_a_gradient_scaler(self, tmp_path, side, accumulated, clipped):
        """That of fp16, which needs an accelerator, on a CPU: it takes a step whose gradients are finite."""
        run = poisoned(
            tmp_path, {"pair-7"}, side, max_steps=12, on_bad_batch="skip", gradient_accumulation_steps=accumulated,
            per_device_train_batch_size=8 // accumulated, max_grad_norm=1.0 if clipped else 0.0,
        )  # fmt: skip
        run.args.fp16 = True
        scaler = run.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
        run.accelerator.unscale_gradients = lambda optimizer=None: scaler.unscale_(run.optimizer.optimizer)
        states = []

        class Steps(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                states.append(weights(run.model))

        run.add_callback(Steps())
        first = weights(run.model)
        run.train()
        moved = [not torch.equal(a, b) for a, b in itertools.pairwise([first, *states])]
        assert [e.get("skipped_steps") for e in run.state.log_history if "loss" in e][-1] == 1
        assert moved.count(False) == 1
        assert states[-1].isfinite().all()
        assert scaler.get_scale() == 256.0  # nothing overflowed
        rates = [e["learning_rate"] for e in run.state.log_history if "learning_rate" in e]
        assert np.diff(rates) == pytest.approx(-1e-3 / 12)  # the schedule goes on

    @pytest.mark.slow
    def test_skip_gives_up_after_ten_in_a_row(self, tmp_path):
        run = poisoned(
            tmp_path, {f"pair-{i}" for i in range(96)}, max_steps=20, on_bad_batch="skip", per_device_train_batch_size=9
        )
        with pytest.raises(BadBatchError, match=r"10 steps in a row.*and 1 more"):
            run.train()
        assert run.state.global_step == 9

    @pytest.mark.slow
    def test_weights_that_are_not_finite_are_told_apart(self, tmp_path):
        run = poisoned(tmp_path, set(), max_steps=3, on_bad_batch="skip")
        with torch.no_grad():
            next(iter(run.model[1].parameters())).fill_(float("nan"))
        with pytest.raises(BadBatchError, match=r"student's weights are not \(.*lower learning_rate"):
            run.train()

    def test_a_first_batch_with_an_empty_side_is_refused(self, tmp_path):
        run = poisoned(tmp_path, set(), max_steps=3)
        collate = run.data_collator

        def emptied(rows):
            batch = collate(rows)
            batch["student"]["attention_mask"][2] = 0
            return batch

        run.data_collator = emptied
        with pytest.raises(BadBatchError, match=r"first batch has pairs in which a side has no token: 'pair-"):
            run.train()


def weights(model):
    return torch.cat([p.detach().flatten().clone() for p in model.parameters()])


def test_exchanged_sides_stop_a_run_before_it_starts(tmp_path):
    student, teacher = tiny_pairs.pair()
    table = tiny_pairs.bitext().rename_columns({"source": "target", "target": "source"})
    with pytest.raises(ValueError, match="look exchanged"):
        OTDistillationTrainer(student, teacher, arguments(tmp_path), table).train()
