"""The context API: a real server, asked over HTTP, beside a real Redis and a published copy."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from harvey_pipeline_tests.cli.commands import wait_until
from harvey_pipeline_tests.service.asking import in_time, ok, settled, sums
from harvey_pipeline_tests.service.published_profiles import Days, publish_profiles
from harvey_pipeline_tests.service.servers import (
    TOKEN,
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
def server(
    tmp_path_factory: pytest.TempPathFactory, redis: RedisServer, days: Days
) -> Iterator[Server]:
    """The service over yesterday's profiles of `USERS`."""
    folder = tmp_path_factory.mktemp("served")
    publish_profiles(folder, USERS, days.yesterday)
    with served(folder, redis.url) as made:
        yield made


def test_a_profile_is_answered_with_all_its_columns_but_the_email(
    server: Server, days: Days
) -> None:
    found = settled(server, "ben", "empty")
    signed_up = days.yesterday - timedelta(days=88)
    assert found == {
        "user_id": "ben",
        "as_of": f"{days.yesterday}",
        "profile": {
            "date": f"{days.yesterday}",
            "user_id": "ben",
            "created_at": f"{signed_up}T08:30:00Z",
            "signed_up_date": f"{signed_up}",
            "days_since_signup": 88,
            "total_conversations": 12,
            "total_messages": 96,
            "total_credits_used": 140,
            "active_days": 20,
            "sessions": 31,
            "last_active_at": f"{days.yesterday}T16:05:00Z",
            "last_active_date": f"{days.yesterday}",
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


def test_only_the_days_after_the_profile_are_added_up(
    server: Server, redis: RedisServer, days: Days
) -> None:
    sums(redis, "ana", days.yesterday, events=100, credits_used=100)
    sums(redis, "ana", days.today, events=3, messages=2, credits_used=7, conversation_id="c9")
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
        "first_event_at": f"{days.today}T08:00:00.000000Z",
        "last_event_at": f"{days.today}T09:00:00.000000Z",
        "conversation_id": "c9",
        "tool_name": "search",
    }


def test_who_has_no_profile_yet_is_known_by_today(
    server: Server, redis: RedisServer, days: Days
) -> None:
    sums(redis, "new/one", days.today, events=5)
    found = settled(server, "new/one", "ok")
    assert (found["as_of"], found["profile"]) == (f"{days.yesterday}", None)
    assert found["live"]["events"] == 5
    plain = in_time(lambda: server.context_of("new/one", accept="text/plain"))
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
    answer = in_time(lambda: server.context_of(user))
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
    assert in_time(lambda: server.context_of("nobody", accept="text/plain")).status == 404


def test_answers_are_not_to_be_kept_by_anybody_between(server: Server) -> None:
    assert server.context_of("ana").headers["cache-control"] == "no-store"
    assert server.context_of("ana", accept="text/plain").headers["cache-control"] == "no-store"


def test_today_is_the_sums_over_all_users(server: Server, redis: RedisServer, days: Days) -> None:
    found = ok(in_time(lambda: server.ask("/today")))
    assert (found["date"], found["events"], found["users"]) == (f"{days.today}", 0, 0)
    sums(redis, None, days.today, events=12, refusals=2, users=4)
    found = ok(in_time(lambda: server.ask("/today")))
    assert (found["events"], found["refusals"], found["users"], found["messages"]) == (12, 2, 4, 0)
    redis.connect().delete(f"harvey:live:{days.today}")


def test_health_needs_no_token(server: Server, days: Days) -> None:
    def is_well() -> bool:
        found = ok(server.ask("/health", token=None))
        return bool(found == {"warehouse": f"{days.yesterday}", "redis": True})

    wait_until(is_well, 10, 0.05)


def test_the_page_of_the_interface_has_examples(server: Server) -> None:
    assert "swagger" in server.ask("/docs", token=None).text
    paths = ok(server.ask("/openapi.json", token=None))["paths"]
    for path in ("/context/{user_id}", "/today", "/health"):
        answers = paths[path]["get"]["responses"]
        assert answers["200"]["content"]["application/json"]["example"]
    assert paths["/context/{user_id}"]["get"]["responses"].keys() >= {"401", "404", "429", "503"}
