"""A real Redis server, `harvey stream` as a process, and events that are sent to it."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from harvey_pipeline_tests.cli.commands import HARVEY, environment, run_harvey, wait_until
from harvey_pipeline_tests.faults.clocks import Clock

STREAM: Final = "conversation_events"
DAY: Final = date(2024, 2, 28)
NOON: Final = "2024-02-28T12:00:00Z"
_WITHIN_SECONDS: Final = 60


@dataclass(frozen=True)
class RedisServer:
    """A server of this machine that keeps everything on disk, so that it can be started again."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def client(self) -> Any:
        import redis

        return redis.Redis(port=self.port, decode_responses=True)

    @contextmanager
    def running(self) -> Iterator[Any]:
        """The server at work, and a client of it."""
        import redis

        command = (
            *("redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""),
            *("--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "always"),
        )
        process = subprocess.Popen([*command, *self.options], stdout=subprocess.DEVNULL)
        client = self.client

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return True
            except redis.ConnectionError:
                return False

        try:
            wait_until(answers, _WITHIN_SECONDS, 0.05)
            yield client
        finally:
            client.close()
            process.terminate()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def new_server(folder: Path, *options: str) -> RedisServer:
    folder.mkdir(parents=True, exist_ok=True)
    return RedisServer(folder, free_port(), options)


@dataclass(frozen=True)
class Place:
    """A folder with a landing folder in it, and the server that its consumers read from."""

    folder: Path
    server: RedisServer
    start: date
    clock: Clock | None = None

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @property
    def settings(self) -> dict[str, str]:
        return {
            "HARVEY_REDIS_URL": self.server.url,
            "HARVEY_LANDING_DIR": str(self.landing),
            "HARVEY_START_DATE": str(self.start),
        } | (self.clock.settings() if self.clock else {})

    def file_of(self, day: date) -> Path:
        return self.landing / STREAM / f"{day}.jsonl"

    def lines(self, day: date) -> list[str]:
        path = self.file_of(day)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        assert text.endswith("\n") or not text
        return text.split("\n")[:-1]

    def harvey(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_harvey(self.folder, "stream", *arguments, **self.settings)


def new_place(folder: Path, server: RedisServer, start: date, clock: Clock | None = None) -> Place:
    (folder / "landing").mkdir(parents=True)
    return Place(folder, server, start, clock)


@dataclass(frozen=True)
class Consumer:
    """`harvey stream` as a process, and what it prints."""

    process: subprocess.Popen[bytes]
    printed: Path

    @property
    def text(self) -> str:
        return self.printed.read_text(encoding="utf-8")

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(sent)
        return self.process.wait(_WITHIN_SECONDS)

    def end(self) -> int:
        """Wait for the end that comes by itself."""
        return self.process.wait(_WITHIN_SECONDS)


@contextmanager
def consuming(
    place: Place,
    *arguments: str,
    command: Sequence[str] = HARVEY,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Consumer]:
    """A consumer at work, killed in the end if it still is."""
    printed = place.folder / f"printed-{len(list(place.folder.glob('printed-*')))}.txt"
    with printed.open("wb") as file:
        process = subprocess.Popen(
            [*command, "stream", *arguments],
            cwd=place.folder,
            env=environment() | place.settings | dict(settings or {}),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Consumer(process, printed)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()


def event(number: int, moment: str, user: str = "u1", **others: Any) -> str:
    """A message as JSON text, unless it says something else."""
    return json.dumps(
        {
            "id": f"e{number}",
            "conversation_id": f"c-{user}",
            "user_id": user,
            "timestamp": moment,
            "event_type": "message",
            "content": {"role": "user", "message": "Review the contract"},
        }
        | others
    )


def send(client: Any, *events: str | bytes) -> None:
    """Put events into the stream."""
    pipeline = client.pipeline(transaction=False)
    for one in events:
        pipeline.xadd(STREAM, {"event": one})
    pipeline.execute()


def is_done(client: Any, entries: int) -> bool:
    """Whether so many entries of the stream, which are all there are, are acknowledged."""
    groups = client.xinfo_groups(STREAM) if client.exists(STREAM) else []
    if not groups:
        return False
    (group,) = groups
    return bool(group["entries-read"] == entries and group["pending"] == 0)


def wait_for(client: Any, entries: int) -> None:
    """Wait until all entries are acknowledged."""
    wait_until(lambda: is_done(client, entries), _WITHIN_SECONDS, 0.05)


def wait_for_text(consumer: Consumer, text: str) -> None:
    wait_until(lambda: text in consumer.text, _WITHIN_SECONDS, 0.05)


def counters(client: Any, day: date) -> dict[str, int]:
    return {name: int(value) for name, value in client.hgetall(f"harvey:stream:{day}").items()}


def live_of(client: Any, day: date) -> dict[str, dict[str, str]]:
    """The hashes of a day by user, as they stand in Redis."""
    before = f"harvey:live:{day}:"
    return {key.removeprefix(before): client.hgetall(key) for key in client.scan_iter(f"{before}*")}


def take(place: Place, client: Any, entries: int, *arguments: str) -> str:
    """Have a consumer take in what there is, stop it, and return what it has printed."""
    with consuming(place, *arguments) as consumer:
        wait_for(client, entries)
        assert consumer.stop() == 0
    return consumer.text
