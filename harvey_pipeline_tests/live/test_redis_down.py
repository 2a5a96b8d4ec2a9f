"""`harvey stream` where Redis is not there, goes away, or refuses."""

import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import pytest

from harvey_pipeline_tests.cli.commands import wait_until
from harvey_pipeline_tests.live.streams import (
    consuming,
    event,
    live_of,
    new_place,
    new_server,
    send,
    wait_for,
    wait_for_text,
)

pytestmark = pytest.mark.services

START: Final = date(2024, 1, 1)


def now() -> datetime:
    return datetime.now(UTC)


def test_a_server_that_comes_and_goes_is_waited_for(tmp_path: Path) -> None:
    server = new_server(tmp_path / "redis")
    place = new_place(tmp_path / "place", server, START)
    with consuming(place) as consumer:
        wait_for_text(consumer, "does not answer")
        day = now().date()
        with server.running() as client:
            send(client, *(event(number, now().isoformat()) for number in range(5)))
            wait_for(client, 5)
        told = consumer.text.count("does not answer")
        wait_until(lambda: consumer.text.count("does not answer") > told, 60, 0.05)
        assert consumer.process.poll() is None
        with server.running() as client:
            send(client, *(event(number, now().isoformat()) for number in range(4, 9)))
            wait_for(client, 10)
            assert sum(int(one["events"]) for one in live_of(client, day).values()) == 9
            assert consumer.stop() == 0
    assert len(place.lines(day)) == 9
    assert f"Redis at {server.url} does not answer" in consumer.text


def test_a_consumer_that_waits_for_redis_stops_at_once(tmp_path: Path) -> None:
    place = new_place(tmp_path / "place", new_server(tmp_path / "redis"), START)
    with consuming(place) as consumer:
        wait_for_text(consumer, "Trying again in 2 s")
        began = time.monotonic()
        assert consumer.stop() == 0
        assert time.monotonic() - began < 2


def test_a_wrong_password_is_told_without_it(tmp_path: Path) -> None:
    server = new_server(tmp_path / "redis", "--requirepass", "right")
    place = new_place(tmp_path / "place", server, START)
    with server.running():
        url = f"redis://:wrong-one@127.0.0.1:{server.port}/0"
        with consuming(place, settings={"HARVEY_REDIS_URL": url}) as consumer:
            assert consumer.end() == 2
    assert f"harvey: Redis at {server.url} refuses" in consumer.text
    assert "wrong-one" not in consumer.text


def test_verifying_without_redis_fails(tmp_path: Path) -> None:
    place = new_place(tmp_path / "place", new_server(tmp_path / "redis"), START)
    done = place.harvey("--verify", "2024-02-28")
    assert done.returncode == 1
    assert f"Redis at {place.server.url} does not answer" in done.stderr
    assert done.stderr.count("\n") == 1
