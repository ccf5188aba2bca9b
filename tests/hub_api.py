"""What the Hugging Face Hub answers, as the real `huggingface_hub` client needs it: repositories, uploads, downloads.

Creating repositories and branches, preupload, git-LFS batch, upload and verify, commits, and what downloads ask for
(model info, tree, resolve, with large files redirected to a storage host as the real hub does). The Xet protocol is not
spoken: set HF_HUB_DISABLE_XET=1. Knows nothing about sockets.
"""

import base64
import hashlib
import json
import uuid
from dataclasses import dataclass, field

LARGE_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".pkl", ".parquet")


@dataclass(frozen=True)
class Request:
    """One request as it arrived; `target` is the path with its query, still quoted."""

    route: str
    method: str
    path: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Repo:
    """Branches by name, each a list of (commit id, files by path, message), the newest last."""

    private: bool
    kind: str = "model"
    branches: dict[str, list[tuple[str, dict[str, bytes], str]]] = field(default_factory=dict)

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Commit id and files of a branch or a commit, None where there is no such revision."""
        if revision in self.branches:
            return self.branches[revision][-1][:2]
        found = (c[:2] for commits in self.branches.values() for c in commits if c[0] == revision)
        return next(found, None)


class Refusal(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        self.status, self.message, self.code = status, message, code


class HubApi:
    """The state of a hub, and one method a route. The one token that may write belongs to the user "tester"."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.endpoint = self.storage_url = ""
        self.repos: dict[str, Repo] = {}
        self.storage: dict[str, bytes] = {}

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """What a repository holds."""
        found = self.repos[repo_id].at(revision)
        assert found is not None, f"no revision {revision} of {repo_id}"
        return found[1]

    # -- who may do what

    def _signed(self, request: Request) -> bool:
        sent = request.headers.get("authorization")
        if sent is not None and sent != f"Bearer {self.token}":
            raise Refusal(401, "Invalid credentials in Authorization header")
        return sent is not None

    def _writable(self, request: Request, repo_id: str) -> Repo:
        if not self._signed(request):
            raise Refusal(401, "Invalid username or password.")
        _check_owner(repo_id)
        if repo_id not in self.repos:
            raise Refusal(404, "Repository not found", "RepoNotFound")
        return self.repos[repo_id]

    def _readable(self, request: Request, repo_id: str) -> Repo:
        signed = self._signed(request)
        repo = self.repos.get(repo_id)
        if repo is None or (repo.private and not signed):
            raise Refusal(404 if signed else 401, "Repository not found", "RepoNotFound")
        return repo

    def _commit_of(self, request: Request, repo_id: str, revision: str) -> tuple[str, dict[str, bytes]]:
        found = self._readable(request, repo_id).at(revision)
        if found is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found

    # -- writing

    def _create(self, request: Request) -> object:
        wanted = json.loads(request.body)
        if not self._signed(request):
            raise Refusal(401, "Invalid username or password.")
        if wanted.get("type") == "space" and not wanted.get("sdk"):
            raise Refusal(400, "A Space needs its sdk")
        repo_id = f"{wanted.get('organization') or 'tester'}/{wanted['name']}"
        _check_owner(repo_id)
        answer = {"url": f"{self.endpoint}/{repo_id}", "name": repo_id}
        if repo_id in self.repos:
            return 409, {"x-error-message": "You already created this model repo"}, json.dumps(answer).encode()
        first = (
            _commit_id(),
            {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"},
            "initial commit",
        )
        self.repos[repo_id] = Repo(
            wanted.get("visibility") == "private", wanted.get("type", "model"), {"main": [first]}
        )
        return answer

    def _branch(self, request: Request) -> object:
        repo_id, branch = _between(_in_api(request), "", "/branch/")
        repo = self._writable(request, repo_id)
        if branch in repo.branches:
            raise Refusal(409, f"Reference already exists: {branch}")
        repo.branches[branch] = list(repo.branches["main"])
        return {}

    def _validate(self, request: Request) -> object:
        return {"errors": [], "warnings": []}

    def _preupload(self, request: Request) -> object:
        repo_id, revision = _between(_in_api(request), "", "/preupload/")
        found = self._writable(request, repo_id).at(revision)
        if found is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        answers = []
        for file in json.loads(request.body)["files"]:
            large = file["path"].endswith(LARGE_SUFFIXES)
            answer = {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            if file["path"] in found[1]:
                answer["oid"] = _object_id(file["path"], found[1][file["path"]])
            answers.append(answer)
        return {"files": answers}

    def _batch(self, request: Request) -> object:
        repo_id = request.path.removeprefix("/").removeprefix("spaces/").removesuffix(".git/info/lfs/objects/batch")
        self._writable(request, repo_id)
        objects = []
        for entry in json.loads(request.body)["objects"]:
            if entry["oid"] not in self.storage:
                upload = {"href": f"{self.storage_url}/{entry['oid']}"}
                entry["actions"] = {
                    "upload": upload,
                    "verify": {"href": f"{self.endpoint}/{repo_id}.git/info/lfs/verify"},
                }
            objects.append(entry)
        return {"transfer": "basic", "objects": objects}

    def _upload(self, request: Request) -> object:
        oid = request.path.rsplit("/", 1)[-1]
        if hashlib.sha256(request.body).hexdigest() != oid:
            raise Refusal(400, "The content does not have the SHA-256 it was announced with")
        self.storage[oid] = request.body
        return {}

    def _verify(self, request: Request) -> object:
        wanted = json.loads(request.body)
        if len(self.storage.get(wanted["oid"], b"")) != wanted["size"]:
            raise Refusal(400, "The object is not there in that size")
        return {}

    def _commit(self, request: Request) -> object:
        repo_id, branch = _between(_in_api(request), "", "/commit/")
        repo = self._writable(request, repo_id)
        if branch not in repo.branches:
            raise Refusal(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        files, message = dict(repo.branches[branch][-1][1]), ""
        for line in request.body.splitlines():
            key, value = (item := json.loads(line))["key"], item["value"]
            if key == "header":
                message = value["summary"]
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                if value["oid"] not in self.storage:
                    raise Refusal(400, f"{value['path']} was committed before it was uploaded")
                files[value["path"]] = self.storage[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
            else:
                raise Refusal(400, f"unknown operation {key}")
        commit = _commit_id()
        repo.branches[branch].append((commit, files, message))
        return {"success": True, "commitUrl": f"{self.endpoint}/{repo_id}/commit/{commit}", "commitOid": commit}

    # -- reading

    def _info(self, request: Request) -> object:
        repo_id, _, revision = _in_api(request).partition("/revision/")
        commit, files = self._commit_of(request, repo_id, revision or "main")
        siblings = [{"rfilename": path} for path in sorted(files)]
        private = self.repos[repo_id].private
        return {"_id": repo_id, "id": repo_id, "sha": commit, "private": private, "siblings": siblings, "tags": []}

    def _tree(self, request: Request) -> object:
        repo_id, rest = _between(_in_api(request), "", "/tree/")
        revision, _, folder = rest.partition("/")
        files = self._commit_of(request, repo_id, revision)[1]
        prefix = f"{folder}/" if folder else ""
        inside = [path for path in sorted(files) if path.startswith(prefix)]
        if folder and not inside:
            raise Refusal(404, f"{folder} does not exist", "EntryNotFound")
        return [_tree_entry(path, files[path]) for path in inside]

    def _resolve(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        repo_id, rest = _between(request.path, "/", "/resolve/")
        revision, _, path = rest.partition("/")
        commit, files = self._commit_of(request, repo_id, revision)
        headers = {"x-repo-commit": commit}
        if path not in files:
            raise Refusal(404, "Entry not found", "EntryNotFound")
        oid = _object_id(path, files[path])
        if not path.endswith(LARGE_SUFFIXES):
            return 200, {**headers, "etag": f'"{oid}"'}, files[path]
        linked = {"x-linked-etag": f'"{oid}"', "x-linked-size": str(len(files[path]))}
        return 302, {**headers, **linked, "location": f"{self.storage_url}/{oid}"}, b""

    def _download(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, self.storage[request.path.rsplit("/", 1)[-1]]


def _check_owner(repo_id: str) -> None:
    if not repo_id.startswith("tester/"):
        raise Refusal(403, "You don't have the rights to write under that namespace")


def _in_api(request: Request) -> str:
    """The path behind the kind of repository, as a model and a Space are not called alike in the tests."""
    return request.path.removeprefix("/api/models/").removeprefix("/api/spaces/")


def _between(path: str, start: str, middle: str) -> tuple[str, str]:
    left, _, right = path.removeprefix(start).partition(middle)
    return left, right


def _commit_id() -> str:
    return hashlib.sha1(uuid.uuid4().bytes).hexdigest()


def _object_id(path: str, content: bytes) -> str:
    """What the hub calls a file's object: its SHA-256 where it is large, else git's SHA-1 of the blob."""
    if path.endswith(LARGE_SUFFIXES):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _tree_entry(path: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"type": "file", "path": path, "size": len(content), "oid": _object_id(path, content)}
    if path.endswith(LARGE_SUFFIXES):
        entry["lfs"] = {"oid": _object_id(path, content), "size": len(content), "pointerSize": 130}
    return entry
