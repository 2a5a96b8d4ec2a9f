"""Redis asked in time, from within one process: what is late, and whose fault that is."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from harvey_pipeline_tests.service.published_profiles import Days
from harvey_pipeline_tests.service.servers import RedisServer, redis_server

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory, days: Days) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        server.connect().hset(
            f"harvey:live:{days.today}:ana",
            mapping={
                "events": 7,
                "first_event_at": f"{days.today}T08:00:00.000000Z",
                "last_event_at": f"{days.today}T09:00:00.000000Z",
                "last_id": "e1",
                "conversation_id": "c1",
                "tool_name": "search",
            },
        )
        yield server


def with_redis(redis: RedisServer, act: Callable[[Any], Awaitable[Any]]) -> Any:
    """What comes of acting with a connection that is already there."""
    from harvey_pipeline.service.live_sums import live_sums

    async def run() -> Any:
        live = live_sums(redis.url)
        try:
            for _ in range(100):
                if await live.is_there():
                    break
                await asyncio.sleep(0.02)
            return await act(live)
        finally:
            await live.close()

    return asyncio.run(run())


def test_an_answer_that_is_there_counts_although_this_process_was_late(
    redis: RedisServer, days: Days
) -> None:
    async def stand_still(live: Any) -> Any:
        # Where others keep the machine busy Redis may be late itself.
        for _ in range(20):
            asking = asyncio.create_task(live.of_user("ana", [days.today]))
            await asyncio.sleep(0.002)
            time.sleep(0.1)
            found = await asking
            if found.status == "ok":
                break
        return found

    found = with_redis(redis, stand_still)
    assert (found.status, found.sums["events"]) == ("ok", 7)


def test_nobody_waits_until_a_connection_is_given_up(
    redis: RedisServer, days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harvey_pipeline.service import live_sums

    # So much longer than an answer may take that a busy machine cannot be taken for it.
    monkeypatch.setattr(live_sums, "_GIVEN_UP_AFTER", 60.0)

    async def ask_in_vain(live: Any) -> tuple[Any, float]:
        redis.hang()
        try:
            began = time.perf_counter()
            answers = await asyncio.gather(*(live.of_user("ana", [days.today]) for _ in range(200)))
            return answers, time.perf_counter() - began
        finally:
            redis.go_on()

    answers, seconds = with_redis(redis, ask_in_vain)
    assert {one.status for one in answers} == {"unavailable"}
    assert seconds < 30


def test_no_days_are_no_question(redis: RedisServer) -> None:
    found = with_redis(redis, lambda live: live.of_user("ana", []))
    assert (found.status, found.sums) == ("empty", None)
