"""Push with the real client from one process, load in another that has no optical_hf: the same embeddings, no token."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hub_layout import STUDENT
from hub_server import LocalHub
from huggingface_hub import ModelCard

import optical_hf

pytestmark = pytest.mark.slow  # each fixture starts processes that import everything
TOKEN = "hf_" + "RecognisableTokenThatNobodyMaySee"
HELPERS = Path(__file__).parents[1]
PACKAGE = str(Path(optical_hf.__file__).parents[1])


@dataclass(frozen=True)
class Push:
    """What a client process left: the hub it pushed to, its folder, and what it logged."""

    hub: LocalHub
    folder: Path
    log: str

    def load(self, *names: str) -> dict:
        """Load students in a process without optical_hf and return what hub_loader found."""
        answer = run_python(self.hub, self.folder, HELPERS / "hub_loader.py", str(self.folder), TOKEN, *names)
        return json.loads(answer.stdout.splitlines()[-1])


def run_python(
    hub: LocalHub, folder: Path, script: Path, *arguments: str, path: str = ""
) -> subprocess.CompletedProcess:
    """Run a script against the local hub, with a home of its own: no token and no cache from outside."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    own = {"HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(folder / "home" / script.stem)}
    own["PYTHONPATH"] = path
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, env={**kept, **own}, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done


def client(verb: str, folder: Path) -> Iterator[Push]:
    with LocalHub(TOKEN) as hub:
        done = run_python(hub, folder, HELPERS / "hub_client.py", verb, str(folder), TOKEN, path=PACKAGE)
        yield Push(hub, folder, done.stdout + done.stderr)


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
def final(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Push]:
    yield from client("final", tmp_path_factory.mktemp("final"))


@pytest.fixture(scope="module")
def midway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Push]:
    yield from client("midway", tmp_path_factory.mktemp("midway"))


class TestEndToEnd:
    def test_a_student_loads_elsewhere_and_gives_the_same_embeddings(self, final: Push):
        found = final.load("plain", "trained", "carded", "hidden@try")
        assert found["ours"] == []
        assert set(found["differences"]) == {"plain", "trained", "carded", "hidden"}
        for name, (vectors, tokens, states) in found["differences"].items():
            assert max(vectors, tokens, states) < 1e-5, name
        assert found["blocks"]["carded"] == 3  # one vector, one a token, the backbone

    def test_what_went_up_is_what_loading_needs(self, final: Push):
        hub = final.hub
        assert set(hub.files("tester/plain")) - {".gitattributes"} == STUDENT
        assert set(hub.files("tester/trained")) - {".gitattributes"} == STUDENT | {"training_args.json"}
        assert set(hub.files("tester/carded")) - {".gitattributes"} == STUDENT
        assert set(hub.files("tester/hidden", "try")) - {".gitattributes"} == STUDENT
        assert set(hub.files("tester/hidden")) == {".gitattributes"}
        assert hub.repos["tester/hidden"].private
        assert not hub.repos["tester/carded"].private

    def test_the_client_asked_nothing_that_the_server_does_not_speak(self, final: Push):
        assert {line for line in final.hub.unknown if "agent-harnesses" not in line} == set()

    def test_the_token_is_in_nothing_that_was_sent_logged_or_written(self, final: Push):
        assert [where for where, content in received(final) if TOKEN.encode() in content] == []
        assert "POST http" in final.log  # the client did log its requests
        assert TOKEN not in final.log
        files = [path for path in final.folder.rglob("*") if path.is_file()]
        assert len(files) > 30
        assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []

    def test_the_token_goes_to_the_hub_and_not_to_its_storage(self, final: Push):
        assert all(r.headers["authorization"] == f"Bearer {TOKEN}" for r in final.hub.asked("commit"))
        stored = final.hub.asked("upload") + final.hub.asked("download")
        assert stored
        assert all("authorization" not in request.headers for request in stored)


class TestWhileTraining:
    def test_no_pickle_and_no_token_goes_up_with_a_checkpoint(self, midway: Push):
        assert [where for where, content in received(midway) if TOKEN.encode() in content] == []
        commits = midway.hub.repos["tester/midway"].branches["main"]
        assert len(commits) > 2  # the first, and at least one a checkpoint
        names = {path for _, files, _ in commits for path in files}
        assert names - {".gitattributes"} == STUDENT | {"training_args.json"}

    def test_an_adapter_goes_up_merged(self, midway: Push):
        assert max(midway.load("midway")["differences"]["midway"]) < 1e-5

    def test_the_card_names_the_library_that_loads_it(self, midway: Push):
        card = ModelCard(midway.hub.files("tester/midway")["README.md"].decode())
        assert card.data.library_name == "sentence-transformers"
