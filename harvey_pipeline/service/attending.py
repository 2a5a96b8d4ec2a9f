"""What stands around every request: its turn, its line in the log, and what failures are told.

A line has the method, the route's pattern, the status and the time taken: neither the path, which
holds a user's id, nor a query, a header or a body.
"""

import hashlib
import json
import logging
import math
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from harvey_pipeline.service.rate_limit import TurnBuckets

_LOG: Final = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS: Final = frozenset({"/health", "/docs", "/redoc", "/openapi.json"})
"""What is answered to everybody, as often as it is asked for."""


def attend(application: Application, buckets: TurnBuckets) -> Application:
    """The application with a rate limit, a log line for each request, and errors that are kept in.

    Whoever shows a token that was accepted before has the token's turns; everybody else has those
    of the address that asks, so that guesses at tokens share one bucket.
    """
    accepted: set[bytes] = set()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        is_open = scope["path"] in OPEN_PATHS
        shown = token_shown(scope["headers"])
        wait = 0.0 if is_open else buckets.take(_key(scope, shown, accepted))
        if wait > 0:
            await _refuse(watch, wait)
        else:
            try:
                await application(scope, receive, watch)
            except Exception as error:
                _LOG.error("%s", _place_of(error))
                if not status:
                    await _send_json(watch, 500, {"detail": "An error of the service itself."})
            if shown is not None and not is_open:
                if status == 401:
                    accepted.discard(shown)
                elif 200 <= status < 300:
                    accepted.add(shown)
        taken_ms = (time.perf_counter() - began) * 1000
        route = getattr(scope.get("route"), "path", "(no such page)")
        method = scope["method"] if scope["method"].isalpha() else "?"
        _LOG.info("%s %s %d %.1f ms", method, route, status, taken_ms)

    return answer


def token_shown(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The digest of what a request shows as its token; None where it shows none."""
    shown = next((value for name, value in headers if name == b"authorization"), None)
    if shown is None:
        return None
    return hashlib.sha256(shown.strip().partition(b" ")[2].strip()).digest()


def _key(scope: Scope, shown: bytes | None, accepted: set[bytes]) -> tuple[str, object]:
    if shown in accepted:
        return "token", shown
    client = scope.get("client")
    return "address", client[0] if client else None


def _place_of(error: BaseException) -> str:
    """Which error it is and where it was raised; its text may hold what is not to be logged."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


async def _refuse(send: Send, wait: float) -> None:
    seconds = math.ceil(wait)
    told = {"detail": f"Too many requests; ask again in {seconds} s."}
    await _send_json(send, 429, told, (b"retry-after", str(seconds).encode()))


async def _send_json(
    send: Send, status: int, body: dict[str, Any], *headers: tuple[bytes, bytes]
) -> None:
    content = json.dumps(body).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(content)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": content})
