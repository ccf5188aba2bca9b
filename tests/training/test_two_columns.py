"""Bitext with the two columns that the docs name, `source` and `target`: enough wherever the language makes no difference."""

import pytest
import tiny_pairs
from datasets import DatasetDict

from optical_hf import OTDistillationArguments, OTDistillationTrainer, RetrievalCollection, fit_alignment
from optical_hf.data import bitext_quality, clean_bitext
from optical_hf.evaluation import learn_dictionaries
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.models.vocabulary import extend_vocabulary, trim_vocabulary

ROWS = tiny_pairs.bitext().select_columns(["source", "target"])
SPLITS = DatasetDict({"train": ROWS, "test": ROWS})
QUIET = {"max_steps": 1, "per_device_train_batch_size": 8, "report_to": "none", "use_cpu": True, "disable_tqdm": True}


def arguments(folder, **options):
    return OTDistillationArguments(output_dir=str(folder), **(QUIET | options))


@pytest.mark.slow
@pytest.mark.parametrize("streamed", [False, True])
def test_a_trainer_needs_no_language(tmp_path, streamed):
    student, teacher = tiny_pairs.pair()
    rows = ROWS.to_iterable_dataset() if streamed else ROWS
    trainer = OTDistillationTrainer(student, teacher, arguments(tmp_path), train_dataset=rows, eval_dataset=ROWS)
    assert trainer.train().global_step == 1
    assert trainer.evaluate()["eval_loss"] > 0


@pytest.mark.parametrize("rows", [ROWS, list(ROWS), ROWS.add_column("language", [None] * len(ROWS))])
def test_an_alignment_needs_no_language(rows):
    student, teacher = tiny_pairs.pair()
    report = fit_alignment(student, teacher, rows, method="transport", held_out=0, rounds=1, progress=False)
    assert report.pairs == len(ROWS)


def test_a_cache_needs_no_language(tmp_path):
    student, teacher = tiny_pairs.pair()
    cache = TeacherCache.build(teacher, ROWS, tmp_path / "cache", progress=False)
    assert fit_alignment(student, cache, ROWS, method="transport", held_out=0, rounds=1, progress=False).pairs == len(
        ROWS
    )


@pytest.mark.parametrize("streamed", [False, True])
def test_a_quality_report_needs_no_language(streamed):
    rows = tiny_pairs.bitext(8).select_columns(["source", "target"])
    report = bitext_quality(rows.to_iterable_dataset() if streamed else rows, evaluation=rows)
    assert report.pairs == {"und": 8}
    assert report.broken["und"]["script"] == 0
    assert report.broken["und"]["leak"] == 8
    assert clean_bitext(rows, ["leak"], evaluation=["no such text"]).dropped == {"und": {"leak": 0}}


def test_a_collection_takes_the_language_that_was_said():
    collection = RetrievalCollection.from_bitext("x", tiny_pairs.bitext(4).select_columns(["source", "target"]), "so")
    assert set(collection.queries["language"]) == {"so"}


def test_where_the_language_decides_the_missing_column_is_named(tmp_path):
    student, teacher = tiny_pairs.pair()
    with pytest.raises(ValueError, match="there is no column 'language', only source, target"):
        learn_dictionaries(ROWS)
    with pytest.raises(ValueError, match="no column 'language'"):
        OTDistillationTrainer(
            student, teacher, arguments(tmp_path, sampling_temperature=2.0, alignment="none"), ROWS
        ).train()


@pytest.mark.parametrize("column", ["source", "target"])
def test_a_missing_side_is_named_when_it_is_given(tmp_path, column):
    student, teacher = tiny_pairs.pair()
    rows = ROWS.rename_column(column, "text")
    told = f"there is no column '{column}', only .*text"
    with pytest.raises(ValueError, match=f"train_dataset: {told}"):
        OTDistillationTrainer(student, teacher, arguments(tmp_path), train_dataset=rows)
    with pytest.raises(ValueError, match=f"eval_dataset: {told}"):
        OTDistillationTrainer(student, teacher, arguments(tmp_path), train_dataset=ROWS, eval_dataset=rows)
    for call in (
        lambda: fit_alignment(student, teacher, rows, method="transport"),
        lambda: bitext_quality(rows),
        lambda: extend_vocabulary(student, rows, "so"),
        lambda: RetrievalCollection.from_bitext("x", rows, "so"),
    ):
        with pytest.raises(ValueError, match=told):
            call()


def test_of_several_splits_one_is_to_be_chosen(tmp_path):
    student, teacher = tiny_pairs.pair()
    for call in (
        lambda: OTDistillationTrainer(student, teacher, arguments(tmp_path), train_dataset=SPLITS),
        lambda: fit_alignment(student, teacher, SPLITS, method="transport"),
        lambda: TeacherCache.build(teacher, SPLITS, tmp_path / "cache"),
        lambda: trim_vocabulary(student, SPLITS),
        lambda: extend_vocabulary(student, SPLITS, "so"),
        lambda: bitext_quality(SPLITS),
        lambda: bitext_quality(ROWS, evaluation=SPLITS),
        lambda: clean_bitext(SPLITS, ["copy"]),
        lambda: learn_dictionaries(SPLITS),
        lambda: RetrievalCollection.from_bitext("x", SPLITS, "so"),
        lambda: RetrievalCollection("x", SPLITS, SPLITS, {}),
    ):
        with pytest.raises(ValueError, match=r"splits train, test; choose a split, such as data\['train'\]"):
            call()
    trainer = OTDistillationTrainer(student, teacher, arguments(tmp_path), train_dataset=ROWS, eval_dataset=SPLITS)
    assert set(trainer.evaluate()) >= {"eval_train_loss", "eval_test_loss"}
