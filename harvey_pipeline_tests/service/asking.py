"""What tests do with a server and its Redis: sums as the consumer keeps them, answers in time."""

from collections.abc import Callable
from datetime import date
from typing import Any

from harvey_pipeline_tests.cli.commands import wait_until
from harvey_pipeline_tests.service.servers import Answer, RedisServer, Server


def sums(redis: RedisServer, user: str | None, day: date, **values: Any) -> None:
    """The hash of a user's day, or of a day, as the consumer keeps it."""
    key = f"harvey:live:{day}" if user is None else f"harvey:live:{day}:{user}"
    usual = (
        {}
        if user is None
        else {
            "first_event_at": f"{day}T08:00:00.000000Z",
            "last_event_at": f"{day}T09:00:00.000000Z",
            "last_id": "e1",
            "conversation_id": "c1",
            "tool_name": "search",
        }
    )
    redis.connect().hset(key, mapping={"events": 1, **usual, **values})


def ok(answer: Answer) -> Any:
    assert answer.status == 200, answer.text
    return answer.body


def settled(server: Server, user: str, live_status: str) -> Any:
    """The context once its live part has come to a state, which is at once but on a busy machine"""
    found: list[Any] = []

    def is_settled() -> bool:
        found.append(ok(in_time(lambda: server.context_of(user))))
        return bool(found[-1]["live_status"] == live_status)

    wait_until(is_settled, 10, 0.05)
    return found[-1]


def in_time(ask: Callable[[], Answer]) -> Answer:
    """The first answer for which Redis was in time, which it is at once but on a busy machine."""
    found: list[Answer] = []

    def is_in_time() -> bool:
        found.append(ask())
        return found[-1].status != 503

    wait_until(is_in_time, 10, 0.05)
    return found[-1]
