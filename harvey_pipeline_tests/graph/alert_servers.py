"""Local servers that alerts are sent to: one that takes webhooks, one that takes e-mail."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

SECRET = "T0/B0/hook-secret"


@dataclass
class Posts:
    """What was posted, and how the server answers: with `status`, or `statuses` in turn first."""

    address: str = ""
    bodies: list[Any] = field(default_factory=list)
    status: int = 200
    statuses: list[int] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in self.bodies]


@contextmanager
def webhook_server() -> Iterator[Posts]:
    """A server that keeps each body that it answers with 200."""
    posts = Posts()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = posts.statuses.pop(0) if posts.statuses else posts.status
            if status == 200:
                assert self.headers["Content-Type"].startswith("application/json")
                posts.bodies.append(json.loads(body))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", posts.address)
            self.end_headers()
            self.wfile.write(b"ok" if status == 200 else b"no_service")

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        posts.address = f"http://127.0.0.1:{server.server_port}/services/{SECRET}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield posts
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Mails:
    """What was sent, to whom; addresses that are refused; who may log in."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    is_closed: bool = False
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def subjects(self) -> list[str]:
        return [message["Subject"] for message in self.messages]

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address in self.refused:
            return "550 nobody here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self.is_closed:
            return "451 try later"
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"

    def authenticate(self, *arguments: Any) -> AuthResult:
        login = arguments[-1]
        assert isinstance(login, LoginPassword)
        self.logins.append((login.login, login.password))
        return AuthResult(success=login.password == b"open sesame", handled=False)


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def mail_server(*, needs_login: bool = False) -> Iterator[Mails]:
    """A server without TLS that keeps the messages that it takes."""
    mails = Mails(free_port())
    controller = Controller(
        mails,
        hostname="127.0.0.1",
        port=mails.port,
        authenticator=mails.authenticate,
        auth_required=needs_login,
        auth_require_tls=False,
    )
    controller.start()
    try:
        yield mails
    finally:
        controller.stop()
