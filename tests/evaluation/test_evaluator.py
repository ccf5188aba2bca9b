"""The evaluator in our hands, in sentence-transformers' trainers and on a model's card."""

import copy

import pytest
from datasets import Dataset
from evaluation.conftest import ENGLISH, GERMAN, SOMALI, WORDS, dictionary_model
from sentence_transformers import (
    MultiVectorEncoder,
    MultiVectorEncoderTrainer,
    MultiVectorEncoderTrainingArguments,
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.multi_vector_encoder.losses import MultiVectorMultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from optical_hf import OTDistillationArguments, OTDistillationTrainer, load_student
from optical_hf.evaluation import EvaluationSettings, RetrievalEvaluator, evaluate_retrieval
from optical_hf.evaluation.evaluation_settings import default_search
from optical_hf.models.loading import new_projection
from optical_hf.models.views import as_late_interaction

QUIET = {"progress": False, "rounds": 50}


def test_the_evaluator_agrees_with_the_report_and_encodes_documents_once(student, teacher, collection, monkeypatch):
    encoded = []
    encode_document = SentenceTransformer.encode_document
    monkeypatch.setattr(
        SentenceTransformer,
        "encode_document",
        lambda self, *args, **kwargs: encoded.append(1) or encode_document(self, *args, **kwargs),
    )
    evaluator = RetrievalEvaluator(collection, teacher, high=["de"], low=["so"], k=(1, 5))
    first, second = evaluator(student), evaluator(teacher)
    assert len(encoded) == 1
    report = evaluate_retrieval(student, teacher, collection, high=["de"], low=["so"], **QUIET)
    assert first["R@1/de"] == report.systems["student"].languages["de"].recall_at_1.value
    assert first["R@1/mean"] == pytest.approx(report.systems["student"].mean)
    assert first["R@1_worst"] == min(first["R@1/de"], first["R@1/so"])
    assert first["R@1_gap"] == pytest.approx(report.systems["student"].gap["gap"]["value"])
    assert set(first) == {
        *("R@1/de", "R@1/so", "R@1/mean", "R@5/de", "R@5/so", "R@5/mean"),
        *("MRR/mean", "R@1_worst", "R@1_high", "R@1_low", "R@1_gap"),
    }
    assert second["R@1/de"] < first["R@1/de"]


def test_recovery_is_that_of_the_report_and_re_indexing_is_read_once(student, teacher, collection, monkeypatch):
    untrained, read = dictionary_model([ENGLISH, GERMAN, SOMALI], seed=2), []
    untrained[0].embedding.weight.data[[WORDS.index(word) for word in SOMALI[6:]]] = 0  # two of eight find nothing
    encode = SentenceTransformer.encode
    monkeypatch.setattr(
        SentenceTransformer, "encode", lambda self, *given, **more: read.append(self[0]) or encode(self, *given, **more)
    )
    evaluator = RetrievalEvaluator(collection, teacher, untrained=untrained, high=["de"], low=["so"])
    first, second = evaluator(student), evaluator(teacher)
    assert sum(module is untrained[0] for module in read) == 2  # queries and documents
    report = evaluate_retrieval(student, teacher, collection, untrained=untrained, high=["de"], low=["so"], **QUIET)
    rows = report.recovery["student"]
    assert first["recovery/so"] == rows["so"]["ratio"]["value"] == first["R@1/so"] / 0.75
    assert (first["recovery_high"], first["recovery_low"]) == (1.0, rows["low"]["ratio"]["value"])
    assert first["recovery/mean"] == pytest.approx(first["R@1/mean"] / report.systems["own_index"].mean)
    assert second["recovery/de"] == second["R@1/de"]

    without = RetrievalEvaluator(collection, teacher, untrained=untrained, own_index=False)
    assert not any("recovery" in name for name in without(student))
    blind = dictionary_model([], seed=3)
    blind[0].embedding.weight.data[:] = 1.0  # everything alike: all ties
    assert not any("recovery" in name for name in RetrievalEvaluator(collection, teacher, untrained=blind)(student))
    with pytest.raises(ValueError, match="no student at '/no/such/checkpoint'"):
        RetrievalEvaluator(collection, teacher, untrained="/no/such/checkpoint")


def test_a_student_by_load_student_has_the_recovery_of_its_checkpoint(bert, collection, tmp_path):
    bert.save_pretrained(str(tmp_path / "bert"))
    student = load_student(tmp_path / "bert", bert)
    evaluator = RetrievalEvaluator(collection, bert, high=["de"], low=["so"])
    metrics = evaluator(student)
    report = evaluate_retrieval(student, bert, collection, high=["de"], low=["so"], **QUIET)
    expected = {code: row["ratio"]["value"] for code, row in report.recovery["student"].items() if row["ratio"]}
    found = {name.removeprefix("recovery")[1:]: value for name, value in metrics.items() if name.startswith("recovery")}
    assert {code: found.get(code) for code in expected} == pytest.approx(expected)


def test_a_name_stands_before_each_metric_and_the_primary_one_is_the_mean(student, teacher, collection):
    evaluator = RetrievalEvaluator(collection, teacher, name="words", k=(5, 1))
    assert evaluator.primary_metric == "words_R@5/mean"
    assert evaluator.greater_is_better
    metrics = evaluator(student)
    assert evaluator.primary_metric in metrics
    assert all(name.startswith("words_") for name in metrics)
    assert student.model_card_data.eval_results_dict[evaluator] == metrics
    assert copy.deepcopy(evaluator).teacher is teacher


def test_a_late_interaction_student_is_searched_by_its_tokens(bert, collection):
    evaluator = RetrievalEvaluator(collection, bert, high=["de"])
    late = as_late_interaction(bert)
    for model, search in ((bert, "vector"), (late, "maxsim")):
        report = evaluate_retrieval(model, bert, collection, high=["de"], **QUIET)
        assert report.settings["search"] == search
        assert evaluator(model)["R@1/mean"] == report.systems["student"].mean
    settings = EvaluationSettings(search="vector", high=["de"], **QUIET)
    assert evaluate_retrieval(late, bert, collection, settings=settings).settings["search"] == "vector"
    assert evaluate_retrieval(bert, bert, collection, settings=settings, k=(2,)).settings["k"] == [2]


def test_tokens_that_nothing_pools_are_late_interaction(bert):
    projected = [bert[0], new_projection(32, 32)]
    assert default_search(None, SentenceTransformer(modules=projected, device="cpu"), bert) == "maxsim"
    assert default_search(SentenceTransformer(modules=[*projected, *list(bert)[1:]], device="cpu")) == "vector"
    assert default_search(None) == "vector"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vector", "late"])
def test_sentence_transformers_trainers_keep_the_best_student(bert, collection, tmp_path, kind):
    """Two evaluations of a student that is trained on its own test words: the best one, by R@1, is there at the end."""
    bert.save_pretrained(str(tmp_path / "bert"))
    model = SentenceTransformer(str(tmp_path / "bert"), device="cpu")
    trainer_class, arguments = SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    loss: type = MultipleNegativesRankingLoss
    if kind == "late":
        model, loss = as_late_interaction(model), MultiVectorMultipleNegativesRankingLoss
        trainer_class, arguments = MultiVectorEncoderTrainer, MultiVectorEncoderTrainingArguments
    evaluator = RetrievalEvaluator(collection, bert, high=["de"])
    pairs = Dataset.from_dict({"anchor": collection.queries["text"][:], "positive": collection.queries["english"][:]})
    trainer = trainer_class(
        model=model,
        args=arguments(
            output_dir=str(tmp_path / "run"), per_device_train_batch_size=16, learning_rate=5e-3, max_steps=4,
            eval_strategy="steps", eval_steps=2, save_steps=2, load_best_model_at_end=True, logging_steps=2,
            metric_for_best_model=f"eval_{evaluator.primary_metric}", report_to=[], use_cpu=True, disable_tqdm=True,
        ),
        train_dataset=pairs,
        loss=loss(model),
        evaluator=evaluator,
    )  # fmt: skip
    trainer.train()
    measured = [entry["eval_R@1/mean"] for entry in trainer.state.log_history if "eval_R@1/mean" in entry]
    assert len(measured) == 2
    assert trainer.state.best_metric == max(measured)
    assert evaluator(trainer.model)["R@1/mean"] == max(measured)
    assert isinstance(trainer.model, SentenceTransformer if kind == "vector" else MultiVectorEncoder)


@pytest.mark.slow
def test_our_trainer_keeps_the_best_student_by_the_same_metrics(bert, collection, tmp_path):
    bert.save_pretrained(str(tmp_path / "bert"))
    evaluator = RetrievalEvaluator(collection, bert, high=["de"], low=["so"], sharded=True)
    queries = collection.queries
    columns = {"source": queries["english"][:], "target": queries["text"][:], "language": queries["language"][:]}
    trainer = OTDistillationTrainer(
        model=load_student(tmp_path / "bert", bert),
        teacher=bert,
        args=OTDistillationArguments(
            output_dir=str(tmp_path / "run"), per_device_train_batch_size=16, learning_rate=5e-3, max_steps=2,
            eval_strategy="steps", eval_steps=1, save_steps=1, load_best_model_at_end=True, alignment="none",
            metric_for_best_model=f"eval_{evaluator.primary_metric}", report_to="none", use_cpu=True, disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict(columns),
        evaluators=evaluator,
    )  # fmt: skip
    trainer.train()
    [first, *_] = [entry for entry in trainer.state.log_history if "eval_R@1/mean" in entry]
    assert {"eval_R@1/de", "eval_R@1/so", "eval_MRR/mean", "eval_R@1_gap"} <= set(first)
    assert evaluator(trainer.model)["R@1/mean"] == trainer.state.best_metric
