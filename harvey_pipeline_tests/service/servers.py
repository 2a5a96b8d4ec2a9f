"""Redis and `harvey serve` as processes of their own."""

import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from harvey_pipeline_tests.cli.commands import HARVEY, environment, wait_until

TOKEN: Final = "t0ken-of-the-tests"
WITHIN_SECONDS: Final = 60


class Answer(NamedTuple):
    """What came back: the status, headers by their names in small letters, and the body."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


class RedisServer:
    """A Redis server that keeps nothing on disk, and can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--save", "", "--dir", str(self._folder)],
            stdout=subprocess.DEVNULL,
        )
        wait_until(self._is_listening, WITHIN_SECONDS, 0.05)

    def stop(self) -> None:
        """End it, and with it all that it knows."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """Let it answer nothing from now on, its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def connect(self) -> Any:
        import redis

        return redis.Redis(port=self.port, decode_responses=True)

    def _is_listening(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False


class Server:
    """`harvey serve` of a folder."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, log: Path) -> None:
        self.process = process
        self.address = address
        self.log = log

    def ask(self, path: str, token: str | None = TOKEN, accept: str | None = None) -> Answer:
        """The answer to a path, which is sent as it is."""
        request = urllib.request.Request(f"{self.address}{path}")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        if accept is not None:
            request.add_header("Accept", accept)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return _read(answer.status, answer)
        except urllib.error.HTTPError as error:
            return _read(error.code, error)

    def context_of(self, user: str, **options: Any) -> Answer:
        return self.ask(f"/context/{quote(user, safe='')}", **options)


def _read(status: int, answer: Any) -> Answer:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(status, headers, answer.read().decode())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def served(folder: Path, redis_url: str, **settings: str) -> Iterator[Server]:
    """`harvey serve` over the copy in a folder; what it prints and logs is in `serve.log`."""
    port = free_port()
    path = folder / "serve.log"
    given = {
        "HARVEY_WAREHOUSE": "warehouse.duckdb",
        "HARVEY_CONTEXT_TOKEN": TOKEN,
        "HARVEY_REDIS_URL": redis_url,
        "HARVEY_REQUESTS_PER_SECOND": "10000",
        "PYTHONUNBUFFERED": "1",
    }
    with path.open("w") as log:
        process = subprocess.Popen(
            [*HARVEY, "serve", "--port", str(port)],
            cwd=folder,
            env=environment() | given | settings,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    made = Server(process, f"http://127.0.0.1:{port}", path)
    try:
        wait_until(lambda: _has_begun(made), WITHIN_SECONDS, 0.1)
        yield made
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _has_begun(server: Server) -> bool:
    told = server.log.read_text()
    assert server.process.poll() is None, told
    return "Ctrl-C stops it" in told
