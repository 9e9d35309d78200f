"""A hub on the loopback interface: the endpoints that the Hugging Face hub's client uses, over real HTTP."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from loopback import LoopbackServer, QuietHandler

SECRET = "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"
LARGE = (".safetensors", ".npz", ".parquet", ".bin")


@dataclass
class Repo:
    """A repository: files by commit, branches, and how it misbehaves.

    Attributes:
        gated: 403 without the right token, as on the hub.
        drops: how many more downloads of a large file break off after half of its bytes.
    """

    kind: Literal["model", "dataset"]
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    drops: int = 0

    def push(self, files: dict[str, bytes], branch: str = "main") -> str:
        """A new commit of a branch; its id."""
        listing = sorted((name, hashlib.sha256(body).hexdigest()) for name, body in files.items())
        commit = hashlib.sha1(json.dumps(listing).encode(), usedforsecurity=False).hexdigest()
        self.commits[commit] = files
        self.branches[branch] = commit
        return commit


class Hub(LoopbackServer):
    """Repositories by id. `requests` holds the paths asked for; `token` is the one that opens gated ones."""

    def __init__(self, token: str) -> None:
        super().__init__(Handler)
        self.repos: dict[str, Repo] = {}
        self.requests: list[str] = []
        self.token = token


class Handler(QuietHandler):
    """Answers GET and HEAD."""

    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(path)
        api = re.fullmatch(
            r"/api/(model|dataset)s/([^/]+/[^/]+)(?:/(auth-check|revision|tree)(?:/(.+))?)?", path
        )
        file = re.fullmatch(r"/(?:(dataset)s/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        found = api or file
        kind = (found[1] or "model") if found else ""
        repo = self.server.repos.get(found[2]) if found else None
        if found is None or repo is None or repo.kind != kind:
            self._error(404, "RepoNotFound", "Repository not found")
        elif repo.gated and not self._may_read() and (file or found[3] == "auth-check"):
            # The hub does not quote the token; this one does, to see that nobody repeats what it says.
            self._error(403, "GatedRepo", f"Access restricted for {self.headers.get('Authorization')}")
        elif file:
            self._file(repo, file[3], file[4])
        elif found[3] == "auth-check":
            self._json({})
        else:
            self._listing(repo, found)

    def _may_read(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.server.token}"

    def _listing(self, repo: Repo, found: re.Match[str]) -> None:
        revision = found[4] or "main"
        commit = repo.branches.get(revision, revision)
        if commit not in repo.commits:
            self._error(404, "RevisionNotFound", "Revision not found")
        elif found[3] == "tree":
            self._json([entry(name, body) for name, body in repo.commits[commit].items()])
        else:
            siblings = [{"rfilename": name} for name in repo.commits[commit]]
            self._json({"id": found[2], "sha": commit, "siblings": siblings, "tags": [], "private": False})

    def _file(self, repo: Repo, revision: str, name: str) -> None:
        commit = repo.branches.get(revision, revision)
        body = repo.commits.get(commit, {}).get(name)
        if body is None:
            self._error(404, "EntryNotFound", "Entry not found")
            return
        known = entry(name, body)
        etag = known["lfs"]["oid"] if "lfs" in known else known["oid"]
        start = (
            int(re.findall(r"bytes=(\d+)-", self.headers.get("Range", ""))[0])
            if "Range" in self.headers
            else 0
        )
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("X-Repo-Commit", commit)
        self.send_header("X-Linked-Etag", f'"{etag}"')
        self.send_header("X-Linked-Size", str(len(body)))
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        if repo.drops and name.endswith(LARGE):
            repo.drops -= 1
            self.wfile.write(body[start : start + (len(body) - start) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self.wfile.write(body[start:])

    def _json(self, value: Any) -> None:
        self.answer(200, json.dumps(value).encode(), {})

    def _error(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"error": message}).encode()
        self.answer(status, body, {"X-Error-Code": code, "X-Error-Message": message})


def entry(name: str, body: bytes) -> dict[str, Any]:
    """A file as the hub lists it: git's object id, and sha256 where LFS keeps it."""
    oid = hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()
    listed: dict[str, Any] = {"type": "file", "path": name, "size": len(body), "oid": oid}
    if name.endswith(LARGE):
        sha = hashlib.sha256(body).hexdigest()
        listed["lfs"] = {"oid": sha, "size": len(body), "pointerSize": 130}
    return listed
