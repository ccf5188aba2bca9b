"""Upload a student to the Hugging Face Hub: exactly the files that others need to load it, and its card.

`upload.py` talks to the hub. This file decides what goes up. An error is one line that never shows the token.
"""

import json
import shutil
import tempfile
from pathlib import Path

from huggingface_hub import metadata_load
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from optical_hf.files import expand_path, write_text
from optical_hf.hub.card import PICTURES, checked_repo_id, model_card
from optical_hf.hub.public_names import is_local
from optical_hf.hub.upload import Upload, hub_api, upload
from optical_hf.models import Encoder, load_teacher
from optical_hf.models.layers import keep_hidden_states
from optical_hf.models.module_files import module_files
from optical_hf.models.standard_layout import standard_obstacle, write_standard
from optical_hf.models.two_towers import write_towers

LOADED_SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".model", ".jinja", ".py", ".md", *PICTURES})
NEVER_PUSHED = frozenset({"training_args.json", "trainer_state.json"})
ADAPTER_CONFIG = "adapter_config.json"
# Weights of an earlier push that a loader would take in place of, or on top of, those of this one.
STALE = [
    ADAPTER_CONFIG, "adapter_model.safetensors", "model.safetensors", "model.safetensors.index.json",
    "model-*-of-*.safetensors", "config.json", "[0-9]_*/*", "router_config.json", "query_*/*", "document_*/*",
]  # fmt: skip


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
    api = hub_api(token)
    with tempfile.TemporaryDirectory() as staging:
        if with_teacher is not None:
            student = student_or_folder
            if isinstance(student, (str, Path)):
                for file in student_files(student):
                    if file.suffix in PICTURES:
                        shutil.copyfile(file, Path(staging, file.name))
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
        return upload(api, Upload(staging, repo_id, private, revision, commit_message, STALE))


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
