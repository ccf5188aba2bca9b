"""How a folder gets to the Hugging Face Hub: one commit, tried again after a 5xx. No error shows the token."""

import time
from collections.abc import Sequence
from typing import Literal, NamedTuple

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

try:
    from huggingface_hub.utils import httpx
except ImportError:  # huggingface_hub before 1.31
    import httpx  # type: ignore[no-redef]

WAITS = (1.0, 2.0, 4.0)
"""Seconds before each new try after a 5xx: `huggingface_hub` tries uploads again by itself, but not every call."""


class Upload(NamedTuple):
    """A folder that goes to a repository of the hub.

    Attributes:
        folder: all of it goes.
        repo_id: the repository; it is made where it is missing.
        private: make it private; None leaves it to the owner's default.
        revision: branch; None is the main one.
        message: first line of the commit.
        stale: patterns of files of an earlier push that are deleted.
        kind: of the repository; a Space runs gradio.
    """

    folder: str
    repo_id: str
    private: bool | None
    revision: str | None
    message: str
    stale: Sequence[str]
    kind: Literal["model", "space"] = "model"


def hub_api(token: str | None) -> HfApi:
    """A client of the hub; ValueError for what is no token."""
    if token is not None and not (token and token.isascii() and token.isprintable() and " " not in token):
        raise ValueError("the hub token is empty or has spaces, line ends or letters outside ASCII in it: copy it anew")
    return HfApi(token=token, library_name="optical-hf")


def upload(api: HfApi, what: Upload) -> str:
    """Push, and again after a 5xx: a repository that is there already is taken, an unchanged file is skipped.

    Returns:
        Address of the commit.

    Raises:
        ValueError: a refused token or name, or a public repository where a private one was asked for.
        ConnectionError: where the hub cannot be reached or keeps answering with an error of its own.
    """
    for wait in (*WAITS, None):
        try:
            return _push(api, what)
        except HfHubHTTPError as error:
            if error.response.status_code < 500 or wait is None:
                raise _explained(error, what.repo_id) from None
            time.sleep(wait)
        except httpx.TransportError as error:  # its text may quote a header, so only its name is shown
            raise ConnectionError(f"cannot reach the hub at {api.endpoint} ({type(error).__name__})") from None
    raise AssertionError("the last attempt returns or raises")


def _push(api: HfApi, what: Upload) -> str:
    sdk = "gradio" if what.kind == "space" else None
    repo_id = api.create_repo(
        what.repo_id, repo_type=what.kind, space_sdk=sdk, private=what.private, exist_ok=True
    ).repo_id
    if what.private and not api.repo_info(repo_id, repo_type=what.kind).private:
        raise ValueError(
            f"{repo_id!r} is there already and public: private=True does not hide it, everybody would see the "
            f"{'student' if what.kind == 'model' else 'Space'}; make it private in its settings on the hub, or push to another name"
        )
    if what.revision is not None:
        api.create_branch(repo_id, branch=what.revision, exist_ok=True)
    commit = api.upload_folder(
        repo_id=repo_id, repo_type=what.kind, folder_path=what.folder, commit_message=what.message, revision=what.revision,
        delete_patterns=list(what.stale),
    )  # fmt: skip
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
