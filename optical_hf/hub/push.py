"""Upload a student to the Hugging Face Hub: exactly the files that others need to load it, and its card.

`huggingface_hub` talks to the hub. This file decides what goes up. An error is one line that never shows the token.
"""

import json
import shutil
import tempfile
import time
from pathlib import Path

from huggingface_hub import HfApi, metadata_load
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import validate_repo_id

from optical_hf.files import expand_path, write_text
from optical_hf.hub.card import checked_repo_id, model_card
from optical_hf.hub.public_names import is_local
from optical_hf.models import Encoder, load_teacher
from optical_hf.models.layers import keep_hidden_states
from optical_hf.models.module_files import module_files
from optical_hf.models.standard_layout import standard_obstacle, write_standard
from optical_hf.models.two_towers import write_towers

try:
    from huggingface_hub.utils import httpx
except ImportError:  # huggingface_hub before 1.31
    import httpx

LOADED_SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".model", ".jinja", ".py", ".md", ".png", ".svg"})
NEVER_PUSHED = frozenset({"training_args.json", "trainer_state.json"})
ADAPTER_CONFIG = "adapter_config.json"
# Weights of an earlier push that a loader would take in place of, or on top of, those of this one.
STALE = [
    ADAPTER_CONFIG, "adapter_model.safetensors", "model.safetensors", "model.safetensors.index.json",
    "model-*-of-*.safetensors", "config.json", "[0-9]_*/*", "router_config.json", "query_*/*", "document_*/*",
]  # fmt: skip
WAITS = (1.0, 2.0, 4.0)
"""Seconds before each new try after a 5xx: `huggingface_hub` tries uploads again by itself, but not every call."""


def push_student(
    student_or_folder: Encoder | str | Path,
    repo_id: str,
    *,
    token: str | None = None,
    private: bool | None = None,
    revision: str | None = None,
    card: str | None = None,
    adapter_base: str | None = None,
    with_teacher: Encoder | None = None,
    commit_message: str = "Add student",
) -> str:
    """Upload a student, or the folder it was saved in, to the hub; repository and branch are made where missing.

    A one-vector student goes up in the order that servers read, as `save_student` writes it, however it was saved.

    Only what is needed to load the student goes up, and its card: weights as safetensors, configuration, tokenizer.
    Training arguments, optimizer and random states and anything pickled stay at home, and so do folders that are no
    module of the student. The endpoint is that of `HF_ENDPOINT`.

    A student with an adapter goes up as the adapter alone, with the projection and the tokenizer: a few megabytes, for who
    has PEFT. Its backbone is then read from the hub, so it must lie there, unchanged: `adapter_base` says where. To push one
    that loads without PEFT, merge it first (`optical_hf.training.merge_and_save`).

    Args:
        student_or_folder: a student, or a folder that `trainer.save_model`, `merge_and_save` or `save_pretrained` wrote.
        repo_id: "owner/name", or "name" for one of your own.
        token: access token that may write; None takes the one that `hf auth login` or `HF_TOKEN` left.
        private: make the repository private; None leaves it to the owner's default.
        revision: branch to push to; None is the main one.
        card: README.md to push, from `model_card`; None pushes the folder's own, and for a student one that says what
            the student itself shows.
        adapter_base: hub id of the backbone that an adapter was trained on; None takes the one the adapter names.
        with_teacher: the teacher, to push as well: `encode_query` of the one hub id is then the student and `encode_document` the
            teacher (`optical_hf.models.save_towers`). Servers and `AutoModel` read a push without it.
        commit_message: first line of the commit.

    Returns:
        Address of the commit.

    Raises:
        ValueError: for a repository id that is none, a card that names a path of this machine, a refused or unreadable
            token, a public repository where a private one was asked for, an adapter whose backbone is a folder of this
            machine, or a folder that holds no student.
        ConnectionError: where the hub cannot be reached or keeps answering with an error of its own.

    Example:
        >>> push_student("runs/so", "me/e5-so")  # doctest: +SKIP
        'https://huggingface.co/me/e5-so/commit/...'
    """
    checked_repo_id(repo_id)
    if token is not None and not (token and token.isascii() and token.isprintable() and " " not in token):
        raise ValueError("the hub token is empty or has spaces, line ends or letters outside ASCII in it: copy it anew")
    with tempfile.TemporaryDirectory() as staging:
        if with_teacher is not None:
            student = student_or_folder
            if isinstance(student, (str, Path)):
                student = load_teacher(student, role="student")
            write_towers(student, with_teacher, Path(staging), card=False)
            card = card or model_card(student, repo_id=repo_id, both_towers=True)
        elif isinstance(student_or_folder, (str, Path)):
            for file in student_files(student_or_folder):
                target = staging / file.relative_to(expand_path(student_or_folder))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
        else:
            student_or_folder.save_pretrained(staging, create_model_card=False)
            card = card or model_card(student_or_folder, repo_id=repo_id)
        _base_on_the_hub(Path(staging), adapter_base)
        student_files(staging)
        if standard_obstacle(Path(staging)) is None:  # one vector a text: in the order of servers, whoever wrote it
            write_standard(Path(staging))
        if card is not None:
            write_text(Path(staging, "README.md"), card)
        _check_card(Path(staging, "README.md"))
        return _upload(
            HfApi(token=token, library_name="optical-hf"), staging, repo_id, private, revision, commit_message
        )


def student_files(folder: str | Path) -> list[Path]:
    """The files of a saved student that go to the hub: those of its modules and its card, nothing that is pickled.

    Raises:
        ValueError: where the folder holds no student, or one without safetensors.
    """
    folder = expand_path(folder)
    if not (folder / "modules.json").is_file():
        raise ValueError(
            f"no student in {str(folder)!r}: it has no modules.json; give a folder that trainer.save_model wrote"
        )
    files = sorted(module_files(folder, LOADED_SUFFIXES, NEVER_PUSHED))
    if not any(p.suffix == ".safetensors" and (p.parent == folder or "Transformer" in p.parent.name) for p in files):
        raise ValueError(
            f"the student in {str(folder)!r} has no model.safetensors: pickled weights are not pushed, because loading "
            "them can run anything; load it and save it again with save_pretrained"
        )
    return files


def _check_card(path: Path) -> None:
    """Refuse a card whose metadata name a path of this machine: the hub would take it, and everybody would read it."""
    try:
        data = (metadata_load(path) if path.exists() else None) or {}
    except ValueError:  # no metadata that can be read
        return
    fields = (data.get(field) for field in ("base_model", "datasets"))
    stated = [name for value in fields for name in (value if isinstance(value, list) else [value])]
    if local := [name for name in stated if isinstance(name, str) and is_local(name)]:
        raise ValueError(
            f"the card names {local[0]!r}, a path of this machine: take it out of the metadata in README.md, or write the card "
            "anew with model_card (optical-hf card)"
        )


def _base_on_the_hub(folder: Path, base: str | None) -> None:
    """Write into an adapter's configuration where on the hub its backbone lies."""
    place = folder / ADAPTER_CONFIG
    if not place.exists():
        if base is not None:
            raise ValueError(
                f"adapter_base={base!r} was given for a student without an adapter: nothing would read it; leave it out"
            )
        return
    config = json.loads(place.read_text(encoding="utf-8"))
    base = base or config.get("base_model_name_or_path") or ""
    try:
        validate_repo_id(base)
        local = Path(base).exists()
    except HFValidationError:
        local = True
    if local:
        raise ValueError(
            f"the adapter's backbone is {base!r}, which is no model of the hub: others could not load it; pass "
            "adapter_base='owner/name' of the very backbone it was trained on, or merge the adapter with "
            "optical_hf.training.merge_and_save(student, folder) and push that folder"
        )
    # With it, transformers takes a download for a whole model and looks for the backbone's weights in it.
    (folder / "config.json").unlink(missing_ok=True)
    keep_hidden_states(folder)
    write_text(place, json.dumps({**config, "base_model_name_or_path": base}, indent=2) + "\n")


def _upload(
    api: HfApi, folder: str, repo_id: str, private: bool | None, revision: str | None, commit_message: str
) -> str:
    """Push, and again after a 5xx: a repository that is there already is taken, an unchanged file is skipped."""
    for wait in (*WAITS, None):
        try:
            return _push(api, folder, repo_id, private, revision, commit_message)
        except HfHubHTTPError as error:
            if error.response.status_code < 500 or wait is None:
                raise _explained(error, repo_id) from None
            time.sleep(wait)
        except httpx.TransportError as error:  # its text may quote a header, so only its name is shown
            raise ConnectionError(f"cannot reach the hub at {api.endpoint} ({type(error).__name__})") from None
    raise AssertionError("the last attempt returns or raises")


def _push(
    api: HfApi, folder: str, repo_id: str, private: bool | None, revision: str | None, commit_message: str
) -> str:
    repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
    if private and not api.model_info(repo_id).private:
        raise ValueError(
            f"{repo_id!r} is there already and public: private=True does not hide it, everybody would see the "
            "student; make it private in its settings on the hub, or push to another name"
        )
    if revision is not None:
        api.create_branch(repo_id, branch=revision, exist_ok=True)
    commit = api.upload_folder(
        repo_id=repo_id, folder_path=folder, commit_message=commit_message, revision=revision, delete_patterns=STALE
    )
    return commit.commit_url


def _explained(error: HfHubHTTPError, repo_id: str) -> Exception:
    """What the hub answered, in one line, without the token."""
    status = error.response.status_code
    if status in (401, 403):
        return ValueError(
            f"the hub refused the token for {repo_id!r} ({status}): log in with `hf auth login`, or pass a token that "
            f"may write to {repo_id!r}"
        )
    if status < 500:
        return ValueError(f"the hub refused {repo_id!r} ({status}): {' '.join((error.server_message or '').split())}")
    return ConnectionError(
        f"the hub answered {status} to the push of {repo_id!r}, {len(WAITS) + 1} times: nothing was committed; try later"
    )
