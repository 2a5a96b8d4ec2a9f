"""The context API: a real server, asked over HTTP, beside a real Redis and a published copy."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from harvey_pipeline_tests.cli.commands import wait_until
from harvey_pipeline_tests.service.published_profiles import TODAY, YESTERDAY, publish_profiles
from harvey_pipeline_tests.service.servers import (
    TOKEN,
    Answer,
    RedisServer,
    Server,
    redis_server,
    served,
)

pytestmark = pytest.mark.services

USERS = ("ana", "ben", "a/b", "a%2Fb", "50% off?", "né#1 x")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, redis: RedisServer) -> Iterator[Server]:
    """The service over yesterday's profiles of `USERS`."""
    folder = tmp_path_factory.mktemp("served")
    publish_profiles(folder, USERS)
    with served(folder, redis.url) as made:
        yield made


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
        found.append(ok(server.context_of(user)))
        return bool(found[-1]["live_status"] == live_status)

    wait_until(is_settled, 10, 0.05)
    return found[-1]


def test_a_profile_is_answered_with_all_its_columns_but_the_email(server: Server) -> None:
    found = settled(server, "ben", "empty")
    signed_up = YESTERDAY - timedelta(days=88)
    assert found == {
        "user_id": "ben",
        "as_of": f"{YESTERDAY}",
        "profile": {
            "date": f"{YESTERDAY}",
            "user_id": "ben",
            "created_at": f"{signed_up}T08:30:00Z",
            "signed_up_date": f"{signed_up}",
            "days_since_signup": 88,
            "total_conversations": 12,
            "total_messages": 96,
            "total_credits_used": 140,
            "active_days": 20,
            "sessions": 31,
            "last_active_at": f"{YESTERDAY}T16:05:00Z",
            "last_active_date": f"{YESTERDAY}",
            "average_session_length": 14.5,
            "completion_rate": 75.0,
            "primary_use_case": "contract_review",
            "preferred_tools": ["contract_review", "case_search"],
            "frequently_used_prompts": ["review the contract"],
            "preferences": '{"tone":"formal"}',
            "credit_exhaustion_count": 1,
            "retention_cohort": "week_2",
            "activation_status": "power_user",
            "context_summary": "ben mainly contract review",
        },
        "live": None,
        "live_status": "empty",
    }


def test_only_the_days_after_the_profile_are_added_up(server: Server, redis: RedisServer) -> None:
    sums(redis, "ana", YESTERDAY, events=100, credits_used=100)
    sums(redis, "ana", TODAY, events=3, messages=2, credits_used=7, conversation_id="c9")
    found = settled(server, "ana", "ok")
    zeros = (
        *("user_messages", "tool_calls", "successful_calls", "creations", "attempts"),
        *("failures", "refusals", "completions", "sharing_events"),
    )
    assert found["live"] == {
        **dict.fromkeys(zeros, 0),
        "events": 3,
        "messages": 2,
        "credits_used": 7,
        "first_event_at": f"{TODAY}T08:00:00.000000Z",
        "last_event_at": f"{TODAY}T09:00:00.000000Z",
        "conversation_id": "c9",
        "tool_name": "search",
    }


def test_who_has_no_profile_yet_is_known_by_today(server: Server, redis: RedisServer) -> None:
    sums(redis, "new/one", TODAY, events=5)
    found = settled(server, "new/one", "ok")
    assert (found["as_of"], found["profile"]) == (f"{YESTERDAY}", None)
    assert found["live"]["events"] == 5
    plain = server.context_of("new/one", accept="text/plain")
    assert (plain.status, plain.text) == (200, "")


@pytest.mark.parametrize("user", USERS)
def test_ids_are_found_whatever_they_are_made_of(server: Server, user: str) -> None:
    """Acceptance (i): an id with `/` and `%` is found."""
    found = ok(server.context_of(user))
    assert (found["user_id"], found["profile"]["user_id"]) == (user, user)


def test_a_slash_may_stay_as_it_is(server: Server) -> None:
    assert ok(server.ask("/context/a/b"))["profile"]["user_id"] == "a/b"


@pytest.mark.parametrize("user", ["nobody", "ANA", "ana/", "", "../health", "a%252Fb", "\x00"])
def test_who_is_known_to_neither_is_not_found(server: Server, user: str) -> None:
    """Acceptance (i): an unknown user."""
    answer = server.context_of(user)
    assert answer.status == 404, answer.text
    assert "detail" in answer.body


@pytest.mark.parametrize("path", ["/context/ana", "/context/nobody", "/today"])
@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper()])
def test_without_the_token_nothing_is_told(server: Server, path: str, token: str | None) -> None:
    """Acceptance (i): a wrong token."""
    answer = server.ask(path, token)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.body.keys() == {"detail"}


def test_plain_text_is_the_summary_alone(server: Server) -> None:
    answer = server.context_of("ana", accept="text/plain")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "ana mainly contract review"
    assert server.context_of("nobody", accept="text/plain").status == 404


def test_answers_are_not_to_be_kept_by_anybody_between(server: Server) -> None:
    assert server.context_of("ana").headers["cache-control"] == "no-store"
    assert server.context_of("ana", accept="text/plain").headers["cache-control"] == "no-store"


def test_today_is_the_sums_over_all_users(server: Server, redis: RedisServer) -> None:
    found = ok(server.ask("/today"))
    assert (found["date"], found["events"], found["users"]) == (f"{TODAY}", 0, 0)
    sums(redis, None, TODAY, events=12, refusals=2, users=4)
    found = ok(server.ask("/today"))
    assert (found["events"], found["refusals"], found["users"], found["messages"]) == (12, 2, 4, 0)
    redis.connect().delete(f"harvey:live:{TODAY}")


def test_health_needs_no_token(server: Server) -> None:
    def is_well() -> bool:
        found = ok(server.ask("/health", token=None))
        return bool(found == {"warehouse": f"{YESTERDAY}", "redis": True})

    wait_until(is_well, 10, 0.05)


def test_the_page_of_the_interface_has_examples(server: Server) -> None:
    assert "swagger" in server.ask("/docs", token=None).text
    paths = ok(server.ask("/openapi.json", token=None))["paths"]
    for path in ("/context/{user_id}", "/today", "/health"):
        answers = paths[path]["get"]["responses"]
        assert answers["200"]["content"]["application/json"]["example"]
    assert paths["/context/{user_id}"]["get"]["responses"].keys() >= {"401", "404", "429", "503"}


# --- Redis goes away -----------------------------------------------------------------------------


def test_redis_may_stop_and_come_back_under_load(tmp_path: Path) -> None:
    """Acceptance (d): only 200 with `live: null`, or 503, and it recovers by itself."""
    publish_profiles(tmp_path, USERS)
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
            sums(redis, user, TODAY, conversation_id=f"c-{user}")

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
    publish_profiles(tmp_path, ["ana"])
    with served(tmp_path, "redis://127.0.0.1:1/0") as server:
        assert ok(server.context_of("ana"))["live_status"] == "unavailable"
        assert server.context_of("nobody").status == 503
        assert server.ask("/today").status == 503
        assert server.context_of("ana", accept="text/plain").text == "ana mainly contract review"


# --- copies come ---------------------------------------------------------------------------------


def test_copies_are_served_as_they_are_published(tmp_path: Path, redis: RedisServer) -> None:
    """Nothing is there at first; each newer copy is served within 5 s, and publishing goes on."""
    sums(redis, "early", TODAY, events=2)
    with served(tmp_path, redis.url) as server:
        assert ok(server.ask("/health"))["warehouse"] is None
        assert server.context_of("zoe").status == 503
        found = settled(server, "early", "ok")
        assert (found["as_of"], found["profile"]) == (None, None)

        forms = []
        for turn in range(1, 4):
            forms.append(publish_profiles(tmp_path, ["zoe"], completion_rate=turn).form)
            published_at = time.monotonic()

            def is_served(turn: int = turn) -> bool:
                answer = server.context_of("zoe")
                return answer.status == 200 and answer.body["profile"]["completion_rate"] == turn

            wait_until(is_served, 5, 0.1)
            assert time.monotonic() - published_at < 5
        # The server keeps neither of the two files open, nor the warehouse.
        assert forms == ["fresh", "fresh", "incremental"]
        assert ok(server.ask("/health"))["warehouse"] == f"{YESTERDAY}"


# --- what is written down, and how often is answered ----------------------------------------------


def test_the_log_holds_neither_token_nor_content(tmp_path: Path, redis: RedisServer) -> None:
    publish_profiles(tmp_path, ["person-ana"])
    sums(redis, "person-ana", TODAY, conversation_id="private-conversation")
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
    publish_profiles(tmp_path, ["ana"])
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
