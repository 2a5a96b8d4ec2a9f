"""What stands around every request, over applications that misbehave."""

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from harvey_pipeline.service.attending import Application, Message, Receive, Scope, Send, attend
from harvey_pipeline.service.rate_limit import TurnBuckets

GOOD, BAD, ODD = b"Bearer good-token", b"Bearer bad-token", b"Bearer other-token"


async def keeper(scope: Scope, _receive: Receive, send: Send) -> None:
    """200 for the good token, 401 for all others, and a failure with a secret for one path."""
    if scope["path"] == "/fails":
        raise ValueError("a secret")
    if scope["path"] == "/stops":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("a secret")
    status = 200 if dict(scope["headers"]).get(b"authorization") == GOOD else 401
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"content"})


def ask(
    application: Application, path: str, token: bytes | None = None, address: str = "10.0.0.1"
) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": [] if token is None else [(b"authorization", token)],
        "client": (address, 40_000),
    }

    async def run() -> None:
        await application(scope, receive, send)

    asyncio.run(run())
    return sent


def statuses(application: Application, asked: Sequence[tuple[str, bytes | None, str]]) -> list[int]:
    return [ask(application, *one)[0]["status"] for one in asked]


def standing_still() -> float:
    return 0.0


def test_an_accepted_token_has_its_turns_and_guesses_share_those_of_their_address() -> None:
    service = attend(keeper, TurnBuckets(2, standing_still))
    first, second = "10.0.0.1", "10.0.0.2"
    # The token is not known yet: the first of its requests is the address's.
    assert statuses(service, [("/x", GOOD, first)] * 3) == [200, 200, 200]
    assert statuses(service, [("/x", BAD, first), ("/x", ODD, first)]) == [401, 429]
    assert statuses(service, [("/x", GOOD, second)]) == [429]
    assert statuses(service, [("/x", None, second)] * 3) == [401, 401, 429]


def test_who_is_refused_is_told_when_to_ask_again() -> None:
    service = attend(keeper, TurnBuckets(1, standing_still))
    ask(service, "/x")
    start, body = ask(service, "/x")
    headers = dict(start["headers"])
    assert (start["status"], headers[b"retry-after"]) == (429, b"1")
    assert headers[b"content-length"] == str(len(body["body"])).encode()
    assert json.loads(body["body"]) == {"detail": "Too many requests; ask again in 1 s."}


def test_health_is_never_refused() -> None:
    service = attend(keeper, TurnBuckets(1, standing_still))
    assert 429 not in statuses(service, [("/health", None, "10.0.0.1")] * 5)


def test_a_request_is_logged_without_its_path_its_token_and_its_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    ask(attend(keeper, TurnBuckets(5)), "/context/ana", GOOD)
    [record] = caplog.records
    assert record.getMessage().startswith("GET (no such page) 200 ")
    for kept_in in ("ana", "good-token", "content", "10.0.0.1"):
        assert kept_in not in caplog.text


@pytest.mark.parametrize(("path", "status"), [("/fails", 500), ("/stops", 200)])
def test_a_failure_is_logged_by_its_place_and_not_by_its_text(
    path: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sent = ask(attend(keeper, TurnBuckets(5)), path, GOOD)
    assert sent[0]["status"] == status
    assert "ValueError at " in caplog.text
    assert "test_attending.py:" in caplog.text
    assert "secret" not in caplog.text + str(sent)
