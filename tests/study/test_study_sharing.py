"""Runs that share what a frozen backbone says: the same figures as alone, the same costs as alone, and nobody else's tokens."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from torch import nn

from optical_hf.models import as_backbone, backbone, build_student, load_student, load_teacher
from optical_hf.models.tokens import iter_token_sets
from optical_hf.study import StudyConfig, folders_of, launch_runs, runs_of
from optical_hf.study.run import running
from optical_hf.study.run.frozen_body import before_projection, bodies_shared
from optical_hf.study.run.launching import RunFolder
from optical_hf.study.run.run_cost import Meter, flop_counter
from optical_hf.study.run.token_store import StoredText, TokenStore

FORK = multiprocessing.get_context("fork")  # importing torch anew takes longer than what the processes do
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


def recalls(entry: RunFolder) -> dict[str, list[float]]:
    report = json.loads((entry.folder / "report-00.json").read_text(encoding="utf-8"))
    (found,) = report["systems"].values() if isinstance(report["systems"], dict) else report["systems"]
    return found


@pytest.mark.parametrize("kind", ["vector", "late_interaction"])
def test_sharing_changes_no_figure_and_no_cost(
    kind: str, study_values: dict, loaded: Written, in_process: list[str], tmp_path: Path, forwards: list[int]
) -> None:
    study_values["teachers"]["T"]["kind"] = kind
    study_values |= {"systems": CLOSED, "grid": {"students": ["whole"]}}
    alone, costs_alone = done(loaded({**study_values, "output": str(tmp_path / "alone"), "share_bodies": False}))
    assert not list((tmp_path / "alone").glob("kept/*/bodies"))
    texts_alone = sum(forwards)
    forwards.clear()
    shared, costs = done(loaded(study_values))
    assert sum(forwards) < texts_alone / 2.5
    assert len(list((tmp_path / "out").glob("kept/*/bodies/*.sqlite"))) == 1

    for one, other, cost, expected in zip(alone, shared, costs, costs_alone, strict=True):
        # Rounding to float16 may exchange two neighbours of a ranking that random weights made.
        assert np.abs(np.subtract(recalls(one)["ranks"], recalls(other)["ranks"])).max() <= 1
        assert cost["flops"] == pytest.approx(expected["flops"], rel=0.01)
        assert cost["seconds"].keys() == expected["seconds"].keys()
        for part, seconds in cost["seconds"].items():
            assert seconds > 0
            assert seconds <= cost["seconds"]["total"], part
    for ours, theirs in zip(*(sorted((tmp_path / n).glob("kept/*/starts/*")) for n in ("out", "alone")), strict=True):
        for name, weight in load_file(ours).items():
            torch.testing.assert_close(weight, load_file(theirs)[name], rtol=0, atol=5e-3)


def test_the_second_system_runs_no_backbone(
    study_values: dict, loaded: Written, in_process: list[str], forwards: list[int]
) -> None:
    study_values |= {"systems": CLOSED, "grid": [{"students": ["whole"], "systems": ["ridge"]}]}
    done(loaded(study_values))
    assert forwards
    forwards.clear()
    study_values["grid"].append({"students": ["whole"], "systems": ["transport", "untrained"]})
    done(loaded(study_values))
    assert forwards == []


def test_gradient_steps_go_past_the_store(study_values: dict, loaded: Written, in_process: list[str]) -> None:
    study_values["grid"] = {"students": ["whole"], "systems": ["MSE"]}
    config = loaded(study_values)
    done(config)
    assert not list(Path(config.output).glob("kept/*/bodies"))


def test_a_batch_comes_back_as_the_student_gives_it(
    student: SentenceTransformer, tmp_path: Path, forwards: list[int]
) -> None:
    (plain,) = iter_token_sets(as_backbone(student), TEXTS)
    whole = student.encode(TEXTS, convert_to_numpy=True)
    forwards.clear()
    with bodies_shared(student, tmp_path, Meter()):
        for _ in range(2):
            (found,) = iter_token_sets(as_backbone(student), TEXTS)
            torch.testing.assert_close(
                found.tokens_BND[found.mask_BN], plain.tokens_BND[plain.mask_BN], rtol=1e-3, atol=2e-3
            )
            assert found.tokens_BND.dtype == plain.tokens_BND.dtype
            assert torch.equal(found.mask_BN, plain.mask_BN)
            assert torch.equal(found.content_BN, plain.content_BN)
        for ours, theirs in zip(student.encode(TEXTS, convert_to_numpy=True), whole, strict=True):
            assert ours == pytest.approx(theirs, abs=2e-3)
        assert forwards == [3]  # the text that comes twice is read once
        student.train()
        student(student.preprocess(TEXTS))
        student.eval()
        student(student.preprocess(TEXTS))  # with gradients
        assert forwards == [3, 4, 4]
    assert "forward" not in vars(backbone(student))


def test_what_is_found_costs_what_it_cost(
    student: SentenceTransformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Transformer.forward
    monkeypatch.setattr(Transformer, "forward", lambda *given, **options: time.sleep(0.3) or forward(*given, **options))
    with flop_counter() as counter:
        list(iter_token_sets(as_backbone(student), TEXTS))
    meter = Meter()
    with bodies_shared(student, tmp_path, meter):
        costs = []
        for part in ("read", "found"):
            with meter.part(part):
                list(iter_token_sets(as_backbone(student), TEXTS))
            costs.append(meter.flops[part])
    assert costs == pytest.approx([counter.get_total_flops()] * 2, rel=0.01)
    assert min(meter.seconds.values()) > 0.3
    assert meter.spared.seconds > 0.3


def test_a_body_that_changed_reads_no_other_ones_tokens(
    student: SentenceTransformer, tmp_path: Path, forwards: list[int]
) -> None:
    for number in (1, 2):
        with bodies_shared(student, tmp_path, Meter()):
            list(iter_token_sets(as_backbone(student), TEXTS))
        assert len(forwards) == number
        assert len(list(tmp_path.glob("*.sqlite"))) == number
        with torch.no_grad():
            next(backbone(student).model.encoder.parameters()).add_(0.1)


def test_modules_between_backbone_and_projection_are_part_of_the_body(ingredients: Path, tmp_path: Path) -> None:
    class Doubled(nn.Module):
        def forward(self, features: dict) -> dict:
            return features | {"token_embeddings": 2 * features["token_embeddings"]}

    teacher = load_teacher(str(ingredients / "teacher"), device="cpu")
    student = build_student(SentenceTransformer(str(ingredients / "student"), device="cpu"), teacher)
    first, *rest = student
    longer = SentenceTransformer(modules=[first, Doubled(), *rest], device="cpu").eval()
    assert len(before_projection(longer)) == 2
    expected = longer.encode(TEXTS)
    with bodies_shared(longer, tmp_path, Meter()):
        for _ in range(2):
            assert longer.encode(TEXTS) == pytest.approx(expected, abs=2e-3)
        (stored,) = iter_token_sets(as_backbone(longer), TEXTS)
    (single,) = iter_token_sets(as_backbone(student), TEXTS)
    mask_BN = single.mask_BN
    torch.testing.assert_close(stored.tokens_BND[mask_BN], 2 * single.tokens_BND[mask_BN], rtol=1e-3, atol=4e-3)


def text(number: int, tokens: int = 3) -> StoredText:
    return StoredText(torch.full((tokens, 4), float(number), dtype=torch.float16), tokens, 5.0, 0.5)


def fill(path: Path, first: int) -> None:
    store = TokenStore(path)
    for number in range(first, first + 150):
        store.put({str(number).encode(): text(number)})


def die_in_the_middle(path: Path) -> None:
    store = TokenStore(path)
    store.put({b"a": text(1)})
    store._file.execute("BEGIN IMMEDIATE")
    os.kill(os.getpid(), signal.SIGKILL)


def test_two_processes_fill_one_store(tmp_path: Path) -> None:
    path = tmp_path / "bodies" / "body.sqlite"
    started = [FORK.Process(target=fill, args=(path, first)) for first in (0, 100)]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    assert [process.exitcode for process in started] == [0, 0]
    found = TokenStore(path).get([str(i).encode() for i in range(250)])
    assert len(found) == 250
    assert all(torch.equal(entry.tokens_ND, text(int(key)).tokens_ND) for key, entry in found.items())


def test_a_killed_process_leaves_what_it_had_written(tmp_path: Path) -> None:
    path = tmp_path / "body.sqlite"
    process = FORK.Process(target=die_in_the_middle, args=(path,))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    store = TokenStore(path)
    store.put({b"b": text(2)})
    assert store.get([b"a", b"b", b"c"]).keys() == {b"a", b"b"}


@pytest.mark.parametrize("damage", ["no database", "a byte"])
def test_a_damaged_store_is_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "body.sqlite"
    store = TokenStore(path)
    store.put({b"a": text(1, tokens=500)})
    store.close()
    content = bytearray(path.read_bytes())
    if damage == "no database":
        content[:100] = b"x" * 100
    else:
        where = content.index(text(1, tokens=500).tokens_ND.numpy().tobytes()[:100])
        content[where + 50] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"body\.sqlite' is damaged .*delete it"):
        TokenStore(path).get([b"a"])


def test_a_full_disk_is_told_and_what_was_there_is_kept(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "body.sqlite")
    store.put({b"a": text(1)})
    store._file.execute("PRAGMA max_page_count = 1")
    with pytest.raises(OSError, match=r"disk is full.*free some space.*body\.sqlite") as told:
        store.put({str(i).encode(): text(i, tokens=9000) for i in range(20)})
    assert told.value.errno == 28
    assert store.get([b"a", b"0"]).keys() == {b"a"}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "body.sqlite").mkdir()
    with pytest.raises(OSError, match="share_bodies: false"):
        TokenStore(tmp_path / "body.sqlite")


def test_a_number_too_large_for_float16_is_told(student: SentenceTransformer, tmp_path: Path) -> None:
    last = next(m for m in reversed(list(backbone(student).model.encoder.modules())) if isinstance(m, nn.LayerNorm))
    with torch.no_grad():
        last.weight.mul_(1e6)
    with bodies_shared(student, tmp_path, Meter()), pytest.raises(ValueError, match="float16 ends at 65504"):
        list(iter_token_sets(as_backbone(student), TEXTS))


def test_the_file_of_a_broken_store_is_in_the_error_of_the_run(
    study_values: dict, loaded: Written, in_process: list[str]
) -> None:
    study_values |= {"systems": CLOSED, "grid": [{"students": ["whole"], "systems": ["ridge"]}]}
    config = loaded(study_values)
    done(config)
    (path,) = Path(config.output).glob("kept/*/bodies/*.sqlite")
    path.write_bytes(b"x" * 4096)
    study_values["grid"].append({"students": ["whole"], "systems": ["transport"]})
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries))
    assert entries[1].status == "failed"
    assert str(path) in entries[1].error
