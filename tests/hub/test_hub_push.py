"""`push_student` against a hub on the loopback, in this process: what goes up, and what a hub can do wrong."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_layout import STUDENT
from hub_server import LocalHub
from huggingface_hub import constants
from peft import LoraConfig, get_peft_model
from sentence_transformers import SentenceTransformer
from tiny_pairs import pair

from optical_hf.hub import push_student, student_files
from optical_hf.models import backbone

TOKEN = "hf_" + "RecognisableTokenThatNobodyMaySee"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A hub that the client of this process speaks to, without waiting between its tries."""
    with LocalHub(TOKEN) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        yield server


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a student in it."""
    folder = tmp_path_factory.mktemp("saved")
    pair()[0].save_pretrained(str(folder))
    return folder


def message(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert TOKEN not in text
    return text


class TestPush:
    def test_a_hub_that_stumbles_gets_the_student_all_the_same(self, hub: LocalHub, saved: Path):
        planned = {"create": 1, "branch": 1, "preupload": 2, "batch": 1, "upload": 2, "verify": 1, "commit": 1}
        for route, times in planned.items():
            hub.fail(route, times)
        address = push_student(saved, "tester/student", token=TOKEN, revision="first", commit_message="After 500s")
        files = hub.files("tester/student", "first")
        assert set(files) == STUDENT | {".gitattributes"}
        assert files["model.safetensors"] == (saved / "model.safetensors").read_bytes()
        assert all(len(hub.asked(route)) > times for route, times in planned.items())
        commit, _, text = hub.repos["tester/student"].branches["first"][-1]
        assert (address, text) == (f"{hub.endpoint}/tester/student/commit/{commit}", "After 500s")

    @pytest.mark.parametrize("field", ["base_model", "datasets"])
    def test_a_card_that_names_a_path_of_this_machine_stays_at_home(
        self, hub: LocalHub, saved: Path, field: str, tmp_path: Path
    ):
        shutil.copytree(saved, tmp_path / "student")
        stated = {"base_model": "/home/me/e5", "datasets": ["org/pairs", "/home/me/pairs"]}
        text = f"---\n{field}: {json.dumps(stated[field])}\n---\n# A student\n"
        (tmp_path / "student" / "README.md").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"the card names '/home/me/.*a path of this machine") as caught:
            push_student(tmp_path / "student", "tester/local", token=TOKEN)
        message(caught)
        assert "tester/local" not in hub.repos

    @pytest.mark.parametrize("route", ["create", "preupload", "commit"])
    def test_a_hub_that_stays_broken_is_named_in_one_line(self, hub: LocalHub, saved: Path, route: str):
        hub.fail(route, 1000)
        with pytest.raises(ConnectionError, match="answered 500") as error:
            push_student(saved, "tester/student", token=TOKEN)
        message(error)

    def test_a_hub_that_is_not_there_is_named_in_one_line(self, hub: LocalHub, saved: Path, monkeypatch):
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(ConnectionError, match=r"cannot reach the hub at http://127\.0\.0\.1:9") as error:
            push_student(saved, "tester/student", token=TOKEN)
        message(error)

    def test_the_same_student_twice_is_one_commit(self, hub: LocalHub, saved: Path):
        first, second = (push_student(saved, "student", token=TOKEN) for _ in range(2))
        assert first == second
        assert len(hub.repos["tester/student"].branches["main"]) == 2

    def test_weights_of_an_earlier_push_that_would_be_loaded_go(self, hub: LocalHub, saved: Path, tmp_path: Path):
        whole, _ = pair()
        whole.save_pretrained(str(tmp_path / "sharded"))
        for name in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"):
            (tmp_path / "sharded" / name).write_bytes(name.encode())
        (tmp_path / "sharded" / "model.safetensors.index.json").write_text("{}")
        push_student(tmp_path / "sharded", "tester/student", token=TOKEN)
        assert len(hub.files("tester/student")) == len(STUDENT) + 4
        push_student(saved, "tester/student", token=TOKEN)
        assert set(hub.files("tester/student")) == STUDENT | {".gitattributes"}

    def test_only_files_of_the_student_go_up(self, hub: LocalHub, tmp_path: Path):
        pair()[0].save_pretrained(str(tmp_path))
        for name in ("optimizer.pt", "training_args.bin", "rng_state.pth", "training_args.json", "trainer_state.json"):
            (tmp_path / name).write_text("{}")
        for name in ("checkpoint-7/model.safetensors", "runs/events.txt", ".cache/x.json", "1_Dense/old.bin", ".env"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("{}")
        push_student(tmp_path, "tester/student", token=TOKEN, card="# Mine\n")
        assert set(hub.files("tester/student")) == STUDENT | {".gitattributes"}
        assert hub.files("tester/student")["README.md"] == b"# Mine\n"
        assert "# Mine" not in (tmp_path / "README.md").read_text()
        assert (tmp_path / "1_Dense").exists()  # what is pushed is a copy

    def test_a_student_goes_up_with_a_card(self, hub: LocalHub):
        push_student(pair(kind="late_interaction")[0], "tester/colbert", token=TOKEN)
        card = hub.files("tester/colbert")["README.md"].decode()
        assert 'MultiVectorEncoder("tester/colbert")' in card
        assert "SentenceTransformer(" not in card

    @pytest.mark.parametrize("repo_id", ["", "a/b/c", "me/with space", "-me/x", "me/" + "x" * 100, "me/a..b", "/tmp/x"])
    def test_a_bad_repository_id(self, hub: LocalHub, saved: Path, repo_id: str):
        with pytest.raises(ValueError, match="not the id of a hub repository") as error:
            push_student(saved, repo_id, token=TOKEN)
        message(error)
        assert hub.requests == []

    @pytest.mark.parametrize("token", ["hf_wrong", None])
    def test_a_refused_token(self, hub: LocalHub, saved: Path, token: str | None, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("huggingface_hub.utils._headers.get_token", lambda: None)
        with pytest.raises(ValueError, match=r"refused the token for 'tester/student' \(401\)") as error:
            push_student(saved, "tester/student", token=token)
        assert "hf_wrong" not in message(error)

    def test_an_owner_whose_name_is_not_yours(self, hub: LocalHub, saved: Path):
        with pytest.raises(ValueError, match=r"refused the token for 'other/student' \(403\)") as error:
            push_student(saved, "other/student", token=TOKEN)
        message(error)

    @pytest.mark.parametrize("token", ["", TOKEN + "\n", f"my {TOKEN}", TOKEN + "é"])
    def test_a_token_that_no_header_can_carry(self, hub: LocalHub, saved: Path, token: str):
        with pytest.raises(ValueError, match="copy it anew") as error:
            push_student(saved, "tester/student", token=token)
        message(error)
        assert hub.requests == []

    def test_private_does_not_pass_over_a_public_repository(self, hub: LocalHub, saved: Path):
        push_student(saved, "tester/student", token=TOKEN)
        with pytest.raises(ValueError, match="there already and public") as error:
            push_student(saved, "tester/student", token=TOKEN, private=True, card="# Secret")
        message(error)
        assert b"Secret" not in hub.files("tester/student")["README.md"]

    def test_an_adapter_on_a_backbone_of_this_machine_is_refused(self, hub: LocalHub, tmp_path: Path):
        with pytest.raises(ValueError, match="no model of the hub") as error:
            push_student(with_adapter(str(tmp_path)), "tester/student", token=TOKEN)
        message(error)
        with pytest.raises(ValueError, match="without an adapter"):
            push_student(pair()[0], "tester/student", token=TOKEN, adapter_base="owner/backbone")
        assert hub.requests == []

    @pytest.mark.parametrize("layers", [None, [1, 2]])
    def test_an_adapter_alone_is_pushed_and_found_on_its_backbone(
        self, hub: LocalHub, saved: Path, tmp_path: Path, layers: list[int] | None
    ):
        push_student(saved, "tester/student", token=TOKEN)
        student = with_adapter(str(tmp_path), layers)
        push_student(student, "tester/student", token=TOKEN, adapter_base="owner/backbone")
        files = hub.files("tester/student")
        assert "adapter_model.safetensors" in files
        assert "model.safetensors" not in files  # that of the push before
        backbone_folder, adapter_folder = tmp_path / "backbone", tmp_path / "adapter"
        backbone(pair()[0]).model.save_pretrained(backbone_folder)
        for name, content in files.items():
            (adapter_folder / name).parent.mkdir(parents=True, exist_ok=True)
            (adapter_folder / name).write_bytes(content)
        config = json.loads(files["adapter_config.json"])
        assert config["base_model_name_or_path"] == "owner/backbone"
        # In place of the download of owner/backbone, which this hub does not have.
        config["base_model_name_or_path"] = str(backbone_folder)
        (adapter_folder / "adapter_config.json").write_text(json.dumps(config))
        again = SentenceTransformer(str(adapter_folder))
        assert abs(again.encode(["a dog"]) - student.encode(["a dog"])).max() < 1e-5
        assert abs(pair(layers=layers)[0].encode(["a dog"]) - student.encode(["a dog"])).max() > 1e-2


def with_adapter(base: str, layers: list[int] | None = None) -> SentenceTransformer:
    """A student with a LoRA adapter that has moved, on a backbone that was read from `base`."""
    student, _ = pair(layers=layers)
    module = backbone(student)
    module.model.name_or_path = base
    module.model = get_peft_model(
        module.model, LoraConfig(r=2, lora_alpha=128, target_modules=["value"], init_lora_weights=False)
    )
    return student.eval()


class TestStudentFiles:
    def test_a_folder_without_a_student(self, tmp_path: Path):
        with pytest.raises(ValueError, match=r"no modules\.json"):
            student_files(tmp_path)

    def test_pickled_weights_are_refused(self, tmp_path: Path):
        pair()[0].save_pretrained(str(tmp_path))
        (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
        with pytest.raises(ValueError, match="pickled weights are not pushed"):
            student_files(tmp_path)
