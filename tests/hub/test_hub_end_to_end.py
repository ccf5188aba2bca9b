"""Push with the real client from one process, load in another that has no optical_hf: the same embeddings, no token."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from forked import forked
from hub_client import push_all
from hub_layout import PLAIN, STUDENT
from hub_server import LocalHub
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

pytestmark = pytest.mark.slow  # a process that imports everything
TOKEN = "hf_" + "RecognisableTokenThatNobodyMaySee"
HELPERS = Path(__file__).parents[1]
LAYOUTS = ("averaged", "late", "late-averaged")
NAMES = ("plain", "trained", "carded", "hidden@try", "midway", "published", *LAYOUTS)


@dataclass(frozen=True)
class Push:
    """What the client left: the hub it pushed to, its folder, what it logged, and what hub_loader found where it loaded."""

    hub: LocalHub
    folder: Path
    log: str
    loaded: dict


def load_elsewhere(hub: LocalHub, folder: Path) -> dict:
    """What a process without this package finds on the hub, with a home of its own: no token and no cache from outside."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    own = {"HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(folder / "home" / "loader")}
    command = [sys.executable, str(HELPERS / "hub_loader.py"), str(folder), TOKEN, *NAMES]
    done = subprocess.run(
        command, env=kept | own | {"PYTHONPATH": ""}, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def received(push: Push) -> Iterator[tuple[str, bytes]]:
    """Everything the hub got but the Authorization header, each file of each commit decoded."""
    for request in push.hub.requests:
        headers = {name: value for name, value in request.headers.items() if name != "authorization"}
        yield request.target, request.target.encode() + json.dumps(headers).encode() + request.body
    for name, repo in push.hub.repos.items():
        for branch in repo.branches.values():
            for _, files, _ in branch:
                yield from ((f"{name}/{path}", content) for path, content in files.items())


@pytest.fixture(scope="module")
def push(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Push]:
    folder = tmp_path_factory.mktemp("push")
    with LocalHub(TOKEN) as hub:
        codes, log = forked(folder / "log", push_all, folder, TOKEN, hub.endpoint)
        assert codes == [0], log[-4000:]
        yield Push(hub, folder, log, load_elsewhere(hub, folder))


class TestEndToEnd:
    def test_a_student_loads_elsewhere_and_gives_the_same_embeddings(self, push: Push):
        assert set(push.loaded["differences"]) == {name.split("@")[0] for name in NAMES}
        for name, found in push.loaded["differences"].items():
            assert max(found) < 1e-5, name
            assert len(found) == (2 if name.startswith("late") else 3), name
        assert push.loaded["blocks"]["published"] == 3
        assert push.loaded["blocks"]["carded"] == 3  # one vector, one a token, the backbone

    def test_what_went_up_is_what_loading_needs(self, push: Push):
        hub = push.hub
        assert set(hub.files("tester/plain")) - {".gitattributes"} == PLAIN
        assert set(hub.files("tester/trained")) - {".gitattributes"} == STUDENT | {"training_args.json"}
        assert set(hub.files("tester/carded")) - {".gitattributes"} == STUDENT
        assert set(hub.files("tester/hidden", "try")) - {".gitattributes"} == STUDENT
        assert set(hub.files("tester/hidden")) == {".gitattributes"}
        assert hub.repos["tester/hidden"].private
        assert not hub.repos["tester/carded"].private

    def test_the_client_asked_nothing_that_the_server_does_not_speak(self, push: Push):
        assert {line for line in push.hub.unknown if "agent-harnesses" not in line} == set()

    def test_the_token_is_in_nothing_that_was_sent_logged_or_written(self, push: Push):
        assert [where for where, content in received(push) if TOKEN.encode() in content] == []
        assert "POST http" in push.log  # the client did log its requests
        assert TOKEN not in push.log
        files = [path for path in push.folder.rglob("*") if path.is_file()]
        assert len(files) > 30
        assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []

    def test_the_token_goes_to_the_hub_and_not_to_its_storage(self, push: Push):
        assert all(r.headers["authorization"] == f"Bearer {TOKEN}" for r in push.hub.asked("commit"))
        stored = push.hub.asked("upload") + push.hub.asked("download")
        assert stored
        assert all("authorization" not in request.headers for request in stored)


class TestWhileTraining:
    def test_no_pickle_and_no_token_goes_up_with_a_checkpoint(self, push: Push):
        assert [where for where, content in received(push) if TOKEN.encode() in content] == []
        commits = push.hub.repos["tester/midway"].branches["main"]
        assert len(commits) > 2  # the first, and at least one a checkpoint
        names = {path for _, files, _ in commits for path in files}
        assert names - {".gitattributes"} == STUDENT | {"training_args.json"}

    def test_an_adapter_goes_up_merged(self, push: Push):
        assert max(push.loaded["differences"]["midway"]) < 1e-5

    def test_the_card_names_the_library_that_loads_it(self, push: Push):
        card = ModelCard(push.hub.files("tester/midway")["README.md"].decode())
        assert card.data.library_name == "sentence-transformers"


class TestPublished:
    """`train --push_to_hub`, `evaluate`, `card --push-to`."""

    def test_the_card_has_the_metadata_that_the_hub_reads(self, push: Push):
        card = ModelCard(push.hub.files("tester/published")["README.md"].decode(), ignore_metadata_errors=False)
        data = card.data
        assert (data.base_model, data.datasets, data.license) == ("tester/backbone", ["tester/pairs"], "apache-2.0")
        assert data.language == ["en", "de", "so"]
        name, results = model_index_to_eval_results(data.to_dict()["model-index"])
        assert name == "published"
        assert {(r.dataset_config, r.metric_name) for r in results} >= {("de", "R@1"), ("so", "R@1")}
        assert [r.metric_type for r in results if r.dataset_config == "all"] == ["recall_at_1_gap"]

    def test_the_text_has_levels_recovery_the_gap_and_plots(self, push: Push):
        files = push.hub.files("tester/published")
        text = ModelCard(files["README.md"].decode()).text
        for part in ("| German (de) | high |", "| Somali (so) | low |", "Recovery is R@1", "The R@1 gap of student"):
            assert part in text
        pictures = re.findall(r"!\[.*?\]\((.*?)\)", text)
        assert pictures == ["recall.png", "gap.png"]
        assert all(files[name].startswith(b"\x89PNG") for name in pictures)

    def test_what_training_pushed_went_before(self, push: Push):
        commits = push.hub.repos["tester/published"].branches["main"]
        first = next(files for _, files, _ in commits if "model.safetensors" in files)
        assert "recall.png" not in first
        assert set(first) >= STUDENT
        assert set(push.hub.files("tester/published")) >= STUDENT | {"recall.png", "gap.png"}
