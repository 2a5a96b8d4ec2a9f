"""A person's keys and waiting events in a real Redis."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvey_pipeline.live.keys import STREAM
from harvey_pipeline.privacy.live import count_live, erase_live

pytestmark = pytest.mark.services


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Any]:
    from redis import ConnectionError as RefusedError
    from redis import Redis

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        client = Redis(port=port)
        deadline = time.monotonic() + 20
        while True:
            try:
                client.ping()
                break
            except RefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield client
        client.close()
        server.terminate()


def test_only_the_persons_keys_and_entries_go(redis: Any) -> None:
    users = ["user-1", "user-12", "*", "a?[b]", "user"]
    for user in users:
        redis.hset(f"harvey:live:2024-04-01:{user}", "events", 3)
        redis.hset(f"harvey:live:2024-04-02:{user}", "events", 3)
        redis.xadd(STREAM, {"event": json.dumps({"user_id": f" {user} ", "content": "user-1"})})
    redis.hset("harvey:live:2024-04-01", "events", 15)
    redis.xadd(STREAM, {"event": "no JSON user-1"})
    gone = ["user-1", "*", "a?[b]"]
    assert count_live(redis, gone) == 9
    assert erase_live(redis, gone) == 9
    assert sorted(redis.keys("harvey:live:*")) == [
        b"harvey:live:2024-04-01",
        b"harvey:live:2024-04-01:user",
        b"harvey:live:2024-04-01:user-12",
        b"harvey:live:2024-04-02:user",
        b"harvey:live:2024-04-02:user-12",
    ]
    assert redis.xlen(STREAM) == 3
    assert count_live(redis, gone) == erase_live(redis, gone) == 0


def test_long_streams_are_looked_through_to_the_end(redis: Any) -> None:
    with redis.pipeline() as pipeline:
        for number in range(2_500):
            pipeline.xadd(STREAM, {"event": json.dumps({"user_id": f"user-{number % 100}"})})
        pipeline.execute()
    assert erase_live(redis, ["user-7"]) == 25
    assert redis.xlen(STREAM) == 2_475
