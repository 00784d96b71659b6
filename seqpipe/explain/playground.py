"""`seqpipe.serve`: type a text in the browser, and see what each stage makes of it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from ipaddress import ip_address
from select import select
from socketserver import TCPServer
from string import Template
from threading import Lock, Thread
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from spacy.language import Language

from seqpipe.errors import AddressRefused, NothingShown, listed
from seqpipe.explain.html import fragment
from seqpipe.explain.looks import looks_of_all
from seqpipe.explain.stages import kinds_of
from seqpipe.pipelines import one_thread

PORT = 8765

_LONGEST = 10_000  # characters of a text
_LARGEST = 65_536  # bytes of a request: as many characters, each of them written as \uXXXX
_PATIENCE = 10.0  # seconds for a request to come in
_POLL = 0.1  # seconds until the end is seen
_JSON = "application/json"
_TITLE = "seqpipe playground"

# Nothing runs but the script of the page itself, and it talks to nobody but us.
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def serve(
    nlp: Language | Mapping[str, Language],
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    block: bool = True,
) -> Playground:
    """A page in the browser that shows what a pipeline makes of a text while it is typed; several
    pipelines come by what they are to be called.

    It is there until Ctrl-C or, without `block`, until it is closed. Port 0 has one picked.
    """
    pipelines = {"": nlp} if isinstance(nlp, Language) else dict(nlp)
    for one in pipelines.values():
        if not kinds_of(one):
            raise NothingShown(one.pipe_names)
    playground = Playground(pipelines, host=host, port=port)
    if block:
        playground.run()
    else:
        playground.start()
    return playground


class Playground:
    """A server in this process, and the one page that it gives out."""

    def __init__(self, pipelines: Mapping[str, Language], *, host: str, port: int) -> None:
        try:
            self._server = _Server(pipelines, host, port)
        except (OSError, OverflowError) as error:  # the second for a port that there cannot be
            reason = getattr(error, "strerror", None) or str(error)
            raise AddressRefused(host, port, reason.rstrip(".")) from error
        self._thread: Thread | None = None

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{f'[{host!s}]' if ':' in str(host) else host!s}:{port}/"

    def run(self) -> None:
        """Says where it is, and answers until Ctrl-C."""
        print(f"{self.url} shows what becomes of a text. Ctrl-C ends it.", flush=True)
        with suppress(KeyboardInterrupt), self:
            self._server.serve_forever(_POLL)

    def start(self) -> None:
        """Answers in a thread of its own."""
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Gives the port back; a second time does nothing."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def __enter__(self) -> Playground:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _repr_html_(self) -> str:
        """A link, in a notebook."""
        return f'<a href="{escape(self.url)}" target="_blank">{escape(self.url)}</a>'


class _Server(ThreadingHTTPServer):
    """A thread a request; one text at a time goes through the pipelines."""

    allow_reuse_address = os.name == "posix"  # elsewhere two servers could share a port

    def __init__(self, pipelines: Mapping[str, Language], host: str, port: int) -> None:
        self.pipelines = pipelines
        self.host = host
        self.lock = Lock()
        self.template = Template(
            files("seqpipe.explain").joinpath("playground.html").read_text(encoding="utf-8")
        )
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Without asking the network what this machine is called, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever has gone away is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def page(self, nonce: str) -> str:
        told = [
            f"{title} ({listed(kinds_of(nlp))})" if title else listed(kinds_of(nlp))
            for title, nlp in self.pipelines.items()
        ]
        return self.template.substitute(
            title=_TITLE,
            hint=escape(f"What becomes of it stands below while you type: {listed(told)}."),
            colours=fragment([]),
            longest=_LONGEST,
            nonce=nonce,
        )

    def knows(self, asked: str) -> bool:
        """Whether a host that was asked for is this one, and not a name that somebody lets point
        here so that his pages may read our answers (DNS rebinding)."""
        try:
            name = urlsplit(f"//{asked}").hostname or ""
            return name in ("localhost", self.host.lower()) or bool(ip_address(name))
        except ValueError:
            return False


class _Refused(Exception):
    """A request that gets no looks, and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE

    def do_GET(self) -> None:
        nonce = secrets.token_urlsafe(16)
        try:
            self._check("/")
        except _Refused as refused:
            self._answer(refused.status, f"{refused}\n", "text/plain; charset=utf-8")
            return
        page = self.server.page(nonce)
        policy = _POLICY.format(nonce=nonce)
        self._answer(HTTPStatus.OK, page, "text/html; charset=utf-8", policy)

    def do_POST(self) -> None:
        try:
            self._check("/looks")
            looks = self._looks(self._text())
        except _Refused as refused:
            self._answer(refused.status, json.dumps({"error": str(refused)}), _JSON)
            return
        if looks is not None:
            self._answer(HTTPStatus.OK, json.dumps({"looks": looks}), _JSON)

    def version_string(self) -> str:
        return "seqpipe"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: whoever types sees what comes of it."""

    def _check(self, path: str) -> None:
        asked = self.headers.get("Host", "")
        if not self.server.knows(asked):
            raise _Refused(HTTPStatus.FORBIDDEN, "Ask for this server by its address.")
        if urlsplit(self.path).path != path:
            raise _Refused(HTTPStatus.NOT_FOUND, "There is only one page, /.")

    def _text(self) -> str:
        """The text that was sent, as pages from elsewhere cannot send one."""
        if self.headers.get_content_type() != _JSON:
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {_JSON}.")
        told = self.headers.get("Content-Length", "")
        if not (told.isascii() and told.isdigit()):
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "Say how long the text is.")
        if len(told) > 9 or int(told) > _LARGEST:
            raise _too_long()
        try:
            text = json.loads(self.rfile.read(int(told)))["text"]
        except (ValueError, TypeError, LookupError, RecursionError):
            text = None
        if not isinstance(text, str):
            raise _Refused(HTTPStatus.BAD_REQUEST, 'Send {"text": "..."}.')
        if len(text) > _LONGEST:
            raise _too_long()
        return text

    def _looks(self, text: str) -> list[dict[str, Any]] | None:
        """None where whoever asked has gone, as the page does when its text changes: then what is
        left to do is left undone."""
        with self.server.lock, one_thread():
            found: list[dict[str, Any]] = []
            walk = looks_of_all(self.server.pipelines, text)
            while not self._left():
                look = next(walk, None)
                if look is None:
                    return found
                found.append(asdict(look))
        return None

    def _left(self) -> bool:
        try:
            told, _, _ = select([self.connection], [], [], 0)
            return bool(told) and not self.connection.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return True

    def _answer(
        self, status: HTTPStatus, body: str, kind: str, policy: str = "default-src 'none'"
    ) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(data)),
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _too_long() -> _Refused:
    return _Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"That is too long: a text may have {_LONGEST:,} characters.",
    )
