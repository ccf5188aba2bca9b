"""Runs that share a frozen backbone's tokens and closed forms: the figures and the costs of a run alone."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from torch import nn

from optical_hf.evaluation import RetrievalReport, evaluate_retrieval
from optical_hf.models import as_backbone, before_projection, build_student, fit_alignment, load_student, load_teacher
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.study import StudyConfig, folders_of, launch_runs, runs_of
from optical_hf.study.run import running
from optical_hf.study.run.frozen_backbone import backbone_from, backbone_tokens
from optical_hf.study.run.launching import RunFolder
from optical_hf.study.run.run_cost import Meter, flop_counter
from optical_hf.study.run.run_data import read_bitext, read_collections, sample_bitext

pytestmark = pytest.mark.slow

Written = Callable[[dict], StudyConfig]
# The penalty is given: chosen, it could jump to the next one by the rounding of float16.
FIT = {"fit": {"regularisation": 1e-3}}
CLOSED = {"ridge": {"alignment": "ridge"} | FIT, "transport": {"alignment": "transport"} | FIT, "untrained": {}}
TEXTS = ["ein roter Ball", "zwei Hunde", "ein Hund und ein roter Ball im Garten", "zwei Hunde"]


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of texts in each forward pass of a Transformer with three layers, which the student alone has."""
    batches: list[int] = []
    forward = Transformer.forward

    def counted(self: Transformer, features: dict, **options: object) -> dict:
        if self.model.config.num_hidden_layers == 3:
            batches.append(len(features["input_ids"]))
        return forward(self, features, **options)

    monkeypatch.setattr(Transformer, "forward", counted)
    return batches


@pytest.fixture(params=["vector", "late_interaction"])
def student(request: pytest.FixtureRequest, ingredients: Path) -> SentenceTransformer:
    teacher = load_teacher(str(ingredients / "teacher"), kind=request.param, device="cpu")
    return load_student(str(ingredients / "student"), teacher).eval()


def done(config: StudyConfig) -> tuple[list[RunFolder], list[dict]]:
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries))
    assert [entry.error for entry in entries] == [""] * len(entries)
    return entries, [json.loads((entry.folder / running.RESULT).read_text(encoding="utf-8")) for entry in entries]


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("kind", ["vector", pytest.param("late_interaction", marks=pytest.mark.full)])
def test_a_run_that_shares_has_the_figures_and_the_cost_of_a_run_alone(
    kind: str, study_values: dict, loaded: Written, in_process: list[str], forwards: list[int], tmp_path: Path
) -> None:
    study_values["teachers"]["T"]["kind"] = kind
    study_values |= {"systems": CLOSED, "grid": [{"students": ["whole"], "systems": ["ridge"]}]}
    done(loaded(study_values))
    assert forwards
    forwards.clear()
    study_values["grid"].append({"students": ["whole"], "systems": ["transport", "untrained"]})
    config = loaded(study_values)
    entries, results = done(config)
    assert forwards == []  # the second and the third system run no backbone

    teacher = load_teacher(study_values["teachers"]["T"]["path"], kind=kind)
    student = load_student(study_values["students"]["whole"]["path"], teacher)
    bitext = sample_bitext(read_bitext(config.bitext), 12, seed=0)
    cache = TeacherCache.build(teacher, bitext, tmp_path / "cache", progress=False)
    with flop_counter() as counter:
        fit_alignment(student, cache, bitext, method="transport", seed=0, progress=False, **FIT["fit"])
    (entry,) = read_collections(list(config.collections.values()))
    search = "maxsim" if kind == "late_interaction" else "vector"
    alone = evaluate_retrieval(
        student.eval(), teacher, entry.parts, systems=("student",), search=search, rounds=50, progress=False
    )
    shared = RetrievalReport.from_json(entries[1].folder / "report-00.json")
    # Rounding to float16 may exchange two neighbours of a ranking that random weights made.
    assert abs(alone.systems["student"].ranks - shared.systems["student"].ranks).max() <= 1
    assert results[1]["flops"]["fit"] == pytest.approx(counter.get_total_flops(), rel=0.1)
    assert results[0]["flops"]["fit"] < results[1]["flops"]["fit"]
    for result in results:
        parts = {name: seconds for name, seconds in result["seconds"].items() if name != "total"}
        assert min(parts.values()) > 0
        assert sum(parts.values()) <= result["seconds"]["total"]


def test_runs_with_documents_and_without_share_the_bitext(
    study_values: dict, loaded: Written, in_process: list[str]
) -> None:
    study_values["systems"] = {
        "bitext": {"alignment": "ridge"} | FIT,
        "both": {"alignment": "contrastive", "documents": "searched", "fit": {"steps": 2}},
    }
    study_values["grid"] = {"students": ["whole"]}
    study_values |= {"own_index": False, "baselines": []}
    config = loaded(study_values)
    done(config)
    kept = list(Path(config.output).glob("kept/*/backbones/*.json"))
    assert len(kept) == 2 + len(config.collections)  # bitext, documents, the queries of each collection


def test_gradient_steps_read_the_backbone_itself(study_values: dict, loaded: Written, in_process: list[str]) -> None:
    study_values["systems"]["MSE"] = {"losses": "pooled_mse"}
    study_values["grid"] = {"students": ["whole"], "systems": ["MSE"]}
    config = loaded(study_values)
    done(config)
    assert not list(Path(config.output).glob("kept/*/backbones"))


def test_a_student_encodes_from_a_cache_as_it_does_without(
    student: SentenceTransformer, tmp_path: Path, forwards: list[int]
) -> None:
    whole = student.encode(TEXTS, convert_to_numpy=True)
    forwards.clear()
    for _ in range(2):
        cache = backbone_tokens(student, TEXTS, tmp_path, Meter())
        with backbone_from(cache, student):
            for ours, theirs in zip(student.encode(TEXTS, convert_to_numpy=True), whole, strict=True):
                assert ours == pytest.approx(theirs, abs=2e-3)
            with pytest.raises(ValueError, match="not in the token cache"):
                student.encode(["ein anderer Text"])
    assert forwards == [3]  # the text that comes twice is read once
    student.encode(TEXTS)
    assert forwards == [3, 4]


def test_what_is_read_from_disk_costs_what_it_cost(
    student: SentenceTransformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Transformer.forward
    monkeypatch.setattr(Transformer, "forward", lambda *given, **options: time.sleep(0.3) or forward(*given, **options))
    with flop_counter() as counter:
        as_backbone(student).encode(TEXTS[:3], output_value="token_embeddings")
    meter = Meter()
    for part in ("read", "found"):
        with meter.part("total " + part), meter.part(part):
            backbone_tokens(student, TEXTS, tmp_path, meter)
    assert list(meter.flops.values()) == pytest.approx([counter.get_total_flops()] * 4, rel=0.01)
    assert min(meter.seconds.values()) > 0.3
    assert meter.spared.seconds > 0.2


def test_a_set_that_was_not_read_to_its_end_is_read_and_measured_whole(
    student: SentenceTransformer, tmp_path: Path, forwards: list[int]
) -> None:
    backbone_tokens(student, TEXTS, tmp_path, Meter())
    (cost,) = tmp_path.glob("*.json")
    first = json.loads(cost.read_text())
    cost.unlink()  # what a kill leaves
    backbone_tokens(student, TEXTS, tmp_path, Meter())
    assert forwards == [3, 3]
    assert json.loads(cost.read_text())["flops"] == first["flops"]


def test_another_backbone_or_a_damaged_file_is_read_anew(
    student: SentenceTransformer, tmp_path: Path, forwards: list[int]
) -> None:
    backbone_tokens(student, TEXTS, tmp_path, Meter())
    (shard,) = tmp_path.glob("*/*/*.safetensors")
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    backbone_tokens(student, TEXTS, tmp_path, Meter())
    assert forwards == [3, 3]
    with torch.no_grad():
        next(before_projection(student)[0].model.encoder.parameters()).add_(0.1)
    backbone_tokens(student, TEXTS, tmp_path, Meter())
    assert forwards == [3, 3, 3]


def test_modules_between_backbone_and_projection_are_part_of_what_is_kept(ingredients: Path, tmp_path: Path) -> None:
    class Doubled(nn.Module):
        def forward(self, features: dict) -> dict:
            return features | {"token_embeddings": 2 * features["token_embeddings"]}

    teacher = load_teacher(str(ingredients / "teacher"), device="cpu")
    first, *rest = build_student(SentenceTransformer(str(ingredients / "student"), device="cpu"), teacher)
    longer = SentenceTransformer(modules=[first, Doubled(), *rest], device="cpu").eval()
    expected = longer.encode(TEXTS)
    with backbone_from(backbone_tokens(longer, TEXTS, tmp_path, Meter()), longer):
        assert longer.encode(TEXTS) == pytest.approx(expected, abs=2e-3)
