"""The interface of the hub over HTTP, for one repository that lies in a folder of this machine."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NAME, COMMIT, SECRET = "ann/stars", "a" * 40, "hf_secret"
_API = re.compile(rf"/api/models/{NAME}/(?P<what>revision|tree)/(?P<revision>[^/]+)")
_FILE = re.compile(rf"/{NAME}/resolve/{COMMIT}/(?P<file>.+)")


class StandIn(ThreadingHTTPServer):
    """What was asked for stands in `asked`, what was sent in `sent`, what went away in `gone`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.folder = folder
        self.asked: list[str] = []
        self.sent: list[str] = []
        self.gone: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }


class _Answers(BaseHTTPRequestHandler):
    server: StandIn

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def answer(self, body: bytes, code: int = 200, **head: str) -> None:
        self.send_response(code)
        for name, value in head.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def tell(self, told: Any, code: int = 200, **head: str) -> None:
        self.answer(json.dumps(told).encode(), code, Content_Type="application/json", **head)

    def refuse(self, why: str, code: int = 404) -> None:
        self.tell({"error": why}, code, X_Error_Code=why, X_Error_Message=why)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        files = self.server.files()
        if NAME not in path:
            self.refuse("RepoNotFound")
        elif found := _API.fullmatch(path):
            if found["revision"] not in ("main", COMMIT):
                self.refuse("RevisionNotFound")
            elif found["what"] == "revision":
                names = [{"rfilename": name} for name in files]
                self.tell({"id": NAME, "sha": COMMIT, "siblings": names, "tags": []})
            else:
                each = [(name, len(data), sha1(data).hexdigest()) for name, data in files.items()]
                self.tell([{"type": "file", "path": n, "size": s, "oid": o} for n, s, o in each])
        elif (found := _FILE.fullmatch(path)) and found["file"] in files:
            data = files[found["file"]]
            mark = f'"{sha1(data).hexdigest()}"'
            self.answer(data, ETag=mark, X_Repo_Commit=COMMIT)
        else:
            self.refuse("EntryNotFound")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        if self.headers.get("Authorization") != f"Bearer {SECRET}":
            self.refuse("Unauthorized", 401)
        elif path == "/api/repos/create":
            self.tell({"url": f"{self.server.url}/{NAME}", "name": NAME, "id": NAME})
        elif path == "/api/validate-yaml":
            self.tell({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            plain = {"uploadMode": "regular", "shouldIgnore": False}
            self.tell({"files": [{"path": f["path"], **plain} for f in json.loads(body)["files"]]})
        elif "/commit/" in path:
            lines = [json.loads(line) for line in body.splitlines()]
            for key, told in {"file": self.server.sent, "deletedFile": self.server.gone}.items():
                told += [line["value"]["path"] for line in lines if line["key"] == key]
            url = f"{self.server.url}/{NAME}/commit/{COMMIT}"
            self.tell({"commitOid": COMMIT, "commitUrl": url, "success": True})
        else:
            self.refuse("NotFound")


@contextmanager
def standing_in(folder: Path) -> Iterator[StandIn]:
    with StandIn(folder) as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
