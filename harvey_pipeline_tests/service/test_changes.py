"""What the service makes of what changes around it: Redis, the copy, who asks too much."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harvey_pipeline_tests.cli.commands import wait_until
from harvey_pipeline_tests.service.asking import ok, settled, sums
from harvey_pipeline_tests.service.published_profiles import days_now, publish_profiles
from harvey_pipeline_tests.service.servers import (
    TOKEN,
    RedisServer,
    Server,
    redis_server,
    served,
)

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


# --- Redis goes away -----------------------------------------------------------------------------


def test_redis_may_stop_and_come_back_under_load(tmp_path: Path) -> None:
    """Acceptance (d): only 200 with `live: null`, or 503, and it recovers by itself."""
    days = days_now()
    publish_profiles(tmp_path, ["ana", "ben"], days.yesterday)
    over = threading.Event()

    def ask_on(server: Server, user: str) -> list[tuple[int, Any]]:
        found = []
        while not over.is_set():
            answer = server.context_of(user)
            known = answer.body
            found.append((answer.status, known.get("live_status")))
            if answer.status == 200:
                # Nobody is ever told what was asked for another.
                assert known["user_id"] == user
                assert known["profile"] is None or known["profile"]["user_id"] == user
                is_live = known["live_status"] == "ok"
                assert (known["live"] or {}).get("conversation_id") == (
                    f"c-{user}" if is_live else None
                )
            time.sleep(0.01)
        return found

    def fill(redis: RedisServer) -> None:
        for user in ("ana", "ben", "new"):
            sums(redis, user, days.today, conversation_id=f"c-{user}")

    with redis_server(tmp_path) as redis, served(tmp_path, redis.url) as server:
        fill(redis)
        settled(server, "ana", "ok")
        with ThreadPoolExecutor(3) as pool:
            asking = [pool.submit(ask_on, server, user) for user in ("ana", "ben", "new")]
            try:
                for _ in range(2):
                    redis.hang()
                    time.sleep(0.7)
                    redis.go_on()
                    settled(server, "ana", "ok")
                    redis.stop()
                    time.sleep(0.7)
                    assert server.ask("/today").status == 503
                    assert ok(server.ask("/health"))["redis"] is False
                    redis.start()
                    fill(redis)
                    settled(server, "ben", "ok")
            finally:
                over.set()
        ana, ben, new = (one.result() for one in asking)
    # Between its start and its filling Redis knows nothing of anybody.
    seen = {(200, "ok"), (200, "unavailable")}
    assert seen <= set(ana) <= seen | {(200, "empty")}
    assert seen <= set(ben) <= seen | {(200, "empty")}
    assert {(200, "ok"), (503, None)} <= set(new) <= {(200, "ok"), (503, None), (404, None)}


def test_who_has_no_profile_is_told_to_ask_again_while_redis_is_away(tmp_path: Path) -> None:
    days = days_now()
    publish_profiles(tmp_path, ["ana"], days.yesterday)
    with served(tmp_path, "redis://127.0.0.1:1/0") as server:
        assert ok(server.context_of("ana"))["live_status"] == "unavailable"
        assert server.context_of("nobody").status == 503
        assert server.ask("/today").status == 503
        assert server.context_of("ana", accept="text/plain").text == "ana mainly contract review"


# --- copies come ---------------------------------------------------------------------------------


def test_copies_are_served_as_they_are_published(tmp_path: Path, redis: RedisServer) -> None:
    """Nothing is there at first; each newer copy is served within 5 s, and publishing goes on."""
    days = days_now()
    sums(redis, "early", days.today, events=2)
    with served(tmp_path, redis.url) as server:
        assert ok(server.ask("/health"))["warehouse"] is None
        assert server.context_of("zoe").status == 503
        found = settled(server, "early", "ok")
        assert (found["as_of"], found["profile"]) == (None, None)

        forms = []
        for turn in range(1, 4):
            forms.append(
                publish_profiles(tmp_path, ["zoe"], days.yesterday, completion_rate=turn).form
            )
            published_at = time.monotonic()

            def is_served(turn: int = turn) -> bool:
                answer = server.context_of("zoe")
                return answer.status == 200 and answer.body["profile"]["completion_rate"] == turn

            wait_until(is_served, 5, 0.1)
            assert time.monotonic() - published_at < 5
        # The server keeps neither of the two files open, nor the warehouse.
        assert forms == ["fresh", "fresh", "incremental"]
        assert ok(server.ask("/health"))["warehouse"] == f"{days.yesterday}"


# --- what is written down, and how often is answered ----------------------------------------------


def test_the_log_holds_neither_token_nor_content(tmp_path: Path, redis: RedisServer) -> None:
    days = days_now()
    publish_profiles(tmp_path, ["person-ana"], days.yesterday)
    sums(redis, "person-ana", days.today, conversation_id="private-conversation")
    with served(tmp_path, redis.url) as server:
        settled(server, "person-ana", "ok")
        server.context_of("person-ana", token="wrong-t0ken")
        server.context_of("person-ana", accept="text/plain")
        server.ask("/context/person-ana?q=private-query")
        server.ask("/private-page")
        (tmp_path / "warehouse.published.duckdb").unlink()
        (tmp_path / "warehouse.published.duckdb").write_text("private-bytes")
        wait_until(lambda: "cannot be read" in server.log.read_text(), 10)
        log = server.log.read_text()
    lines = [line for line in log.splitlines() if "GET /context/{user_id" in line]
    assert len(lines) >= 4
    for kept_in in (TOKEN, "wrong-t0ken", "person-ana", "private-", "contract"):
        assert kept_in not in log


def test_more_requests_than_are_allowed_are_put_off(tmp_path: Path, redis: RedisServer) -> None:
    days = days_now()
    publish_profiles(tmp_path, ["ana"], days.yesterday)
    with served(tmp_path, redis.url, HARVEY_REQUESTS_PER_SECOND="5") as server:
        ok(server.context_of("ana"))
        statuses = [server.context_of("ana") for _ in range(30)]
        refused = [one for one in statuses if one.status == 429]
        assert refused
        assert refused[0].headers["retry-after"] == "1"
        assert json.loads(refused[0].text) == {"detail": "Too many requests; ask again in 1 s."}
        # Guesses are the address's and do not use up the turns of the token.
        guesses = [server.context_of("ana", token=f"guess-{one}").status for one in range(20)]
        assert set(guesses) == {401, 429}
        assert server.ask("/health", token=None).status == 200
        time.sleep(float(refused[0].headers["retry-after"]))
        ok(server.context_of("ana"))
