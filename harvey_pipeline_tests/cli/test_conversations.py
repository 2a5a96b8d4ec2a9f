"""`harvey conversations`: a day, its intents, a user; and what is not there."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from harvey_pipeline.warehouse.warehouse import published_path
from harvey_pipeline_tests.cli.published_conversations import (
    LAST,
    WEEK_BEFORE,
    Told,
    Values,
    after,
    asked,
    board,
    conversation,
    exhaustion,
    failure,
    funnel,
    intent,
    profile,
    publish,
    run_beside,
    signal,
    steps,
    tool,
    tool_day,
    use_case,
    user_day,
)

LONG_AGO = LAST - timedelta(days=90)
ESCAPE = "\x1b[31mred"

TABLES: Mapping[str, Sequence[Values]] = {
    "pmf_dashboard": [
        board(LAST),
        board(
            WEEK_BEFORE,
            is_covered=False,
            dau=1,
            dau_rate=None,
            conversations=1,
            credits_used=1,
            avg_satisfaction=None,
            average_session_length=None,
        ),
    ],
    "activation_funnel": [
        funnel(LAST, "all"),
        funnel(LAST, "30d", total_users=4, first_chat=0, first_chat_rate=0.0, used_tool_rate=None),
    ],
    "user_daily": [
        user_day("ana"),
        user_day("ben", sessions=2, attempts=0, failures=0),
        user_day("ana", date(2024, 5, 31), credits_used=1),
        user_day("ana", date(2024, 5, 1), credits_used=90),
    ],
    "use_cases": [
        use_case("drafting", 4, 3),
        use_case("compliance", 4, 1),
        use_case("contract_review", 10, 7),
        use_case("other", 1, 1),
        use_case("translation", 1, 1),
        use_case("video", 0, 1),
    ],
    "failure_points": [
        failure("b", "e # s", 5, 2, is_repeated=True),
        failure("a", "z", 5, 2),
        failure("c", "few users", 5, 1),
        failure("d", ESCAPE, 9, 1),
        failure("e", "four", 4, 1),
        failure("f", "sixth", 3, 3),
    ],
    "pmf_signals": [
        signal("organic_sharing", "strong", value=5.5, threshold=5.0),
        signal("repeated_blockers", "pivot", value=2.0, threshold=0.0),
        signal("short_conversations", "weak", value=3.75, threshold=5.0, is_reliable=False),
        signal("love_in_conversations", "strong", is_met=False),
        signal("use_case_mismatch", "pivot", value=None, is_met=None),
    ],
    "tool_usage": [tool("a", 5)],
    "conversations": [
        conversation(1),
        conversation(2, "ben", completion_status="abandoned"),
        conversation(3, extracted_use_case=None, first_intent=None, blocker_reason="timeout #"),
        *(conversation(n, day=date(2024, 6, 29)) for n in range(10, 30)),
    ],
    "intents": [
        intent(1, feature_requests=["add [bold]Word[/bold]", ESCAPE]),
        intent(2, "ben", method="llm", satisfaction_signal=2, feature_requests=["a Mac app"]),
        intent(3, cluster="other"),
    ],
    "conversation_daily": [asked(LAST, "ana")],
    "user_profiles": [
        profile("ana"),
        profile(
            "ben",
            email=None,
            created_at=None,
            preferred_tools=[],
            frequently_used_prompts=[],
            preferences="{}",
            primary_use_case=None,
            last_active_at=None,
            average_session_length=None,
            completion_rate=None,
        ),
    ],
    "first_steps": [steps("ana")],
    "tool_daily": [
        tool_day("ana", "search", ""),
        tool_day("ana", "search", "", LAST - timedelta(days=89)),
        tool_day("ana", "search", "", LONG_AGO),
        tool_day("ana", "search", "slow", calls=1, successes=0, failures=1, credits_used=0),
        tool_day("ana", "none", "quota", calls=0, successes=0, failures=2, credits_used=0),
        tool_day("ben", "other", ""),
    ],
    "credit_exhaustion": [
        exhaustion("ana", date(2024, 5, 1)),
        exhaustion("ana", date(2024, 5, 31), is_exhausted=False),
    ],
}

Conversations = Callable[..., Told]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("published"), TABLES)


@pytest.fixture
def conversations(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Conversations:
    """Runs the command beside that copy."""
    return lambda *arguments: run_beside(folder, monkeypatch, capsys, "conversations", *arguments)


# --- a day ---------------------------------------------------------------------------------------


def test_the_last_day_is_shown_in_figures(conversations: Conversations) -> None:
    told = conversations()
    assert (told.code, told.error) == (0, "")
    assert told.lines[:2] == ["Conversations of 2024-06-30", ""]
    assert told.lines[2:6] == [
        "10 users of 40 signed up (25.0 %), 6 new; 20 in 7 days, 30 in 30",
        "12 conversations, 1,050 messages, 70 credits, 3 sessions, 1 failure of 4 attempts",
        "1 user out of credits, 4 in 30 days",
        "In 30 days: 62.5 % completed, satisfaction 6.4 of 10, 8.0 % errors, 7.2 minutes a session",
    ]


def test_a_day_that_is_not_covered_says_so(conversations: Conversations) -> None:
    told = conversations("--day", "2024-06-23")
    assert told.lines[2] == "The day is not covered: no events of it were delivered"
    assert told.lines[3].startswith("1 user of 40 signed up (-)")
    assert told.lines[4].startswith("1 conversation, 1,050 messages, 1 credit, 0 sessions")
    assert "satisfaction - of 10" in told.lines[6]
    for title in ("Use cases of 30 days", "Signals met", "Where people get stuck, in 30 days"):
        assert after(told, title) == ["none"]


def test_the_funnel_is_shown_for_all_and_for_those_of_thirty_days(
    conversations: Conversations,
) -> None:
    assert after(conversations(), "From signing up to running out of credits") == [
        "all signed up in 30 days",
        "signed up 40 4",
        "first chat 36 (90.0 %) 0 (0.0 %)",
        "used tool 27 (75.0 %) 27 (-)",
        "created content 9 (33.3 %) 9 (33.3 %)",
        "exhausted credits 0 (0.0 %) 0 (0.0 %)",
        "day 1 active 30 30",
        "successful users 20 20",
        "high usage 5 5",
    ]


def test_use_cases_are_the_five_with_most_conversations(conversations: Conversations) -> None:
    lines = after(conversations(), "Use cases of 30 days")
    assert lines[0] == (
        "contract review 50.0 % of conversations 7 users 50.0 % completed satisfaction 6.0"
    )
    names = [line.partition(" %")[0].rpartition(" ")[0] for line in lines]
    assert names == ["contract review", "compliance", "drafting", "other", "translation"]


def test_failures_are_the_five_largest_and_cannot_steer_the_terminal(
    conversations: Conversations,
) -> None:
    assert after(conversations(), "Where people get stuck, in 30 days") == [
        "d 9 failures 1 user [31mred",
        "a 5 failures 2 users z",
        "b 5 failures 2 users repeated e # s",
        "c 5 failures 1 user few users",
        "e 4 failures 1 user four",
    ]


def test_signals_that_are_met_are_listed_strong_ones_first(conversations: Conversations) -> None:
    assert after(conversations(), "Signals met") == [
        "strong organic sharing 5.5 % (above 5 %)",
        "weak short conversations 3.8 messages (below 5 is short) of 30: too few to be relied on",
        "pivot repeated blockers 2",
    ]


# --- intents -------------------------------------------------------------------------------------


def test_intents_are_shown_by_cluster_with_requests(conversations: Conversations) -> None:
    told = conversations("--ai-analysis")
    assert (told.code, told.error) == (0, "")
    assert told.lines[:3] == [
        "Intents of conversations begun on 2024-06-30",
        "",
        "3 conversations: 1 by model, 2 by rules",
    ]
    # Satisfaction (7 + 2) / 2; of the two one is completed.
    assert after(told, "Clusters") == [
        "check/contract_review 2 conversations 2 users 50.0 % completed satisfaction 4.5",
        "other 1 conversation 1 user 100.0 % completed satisfaction 7.0",
    ]
    assert after(told, "Feature requests") == [
        "ana [31mred",
        "ben a Mac app",
        "ana add [bold]Word[/bold]",
    ]


def test_a_day_without_intents_has_none(conversations: Conversations) -> None:
    told = conversations("--ai-analysis", "--day", "2024-06-23")
    assert told.lines[2] == "0 conversations: 0 by model, 0 by rules"
    assert after(told, "Clusters") == after(told, "Feature requests") == ["none"]


# --- a user --------------------------------------------------------------------------------------


def test_a_user_is_shown_with_evidence_and_journey(conversations: Conversations) -> None:
    told = conversations("--user", "ana")
    assert (told.code, told.error) == (0, "")
    assert told.lines[:3] == [
        "ana on 2024-06-30",
        "",
        "mainly contract review; status first creation",
    ]
    assert after(told, "Evidence, of 90 days") == [
        "first creation, retained: week 2; signed up 90 days ago, account of 2024-04-01 08:30",
        "3 conversations (66.7 % completed), 21 messages, 95 credits, out of credits on 1 day",
        "active on 5 days, last 2024-06-30 09:59; 6 sessions of 12.5 minutes",
        "use case: contract review",
        "tools: contract_review, case_search",
        "prefers: style formal, tone friendly",
        "asks again and again: review the contract",
    ]
    # The first completed conversation lies after the day.
    assert after(told, "Journey") == [
        "signed up 2024-04-01",
        "first active 2024-04-02",
        "first message 2024-04-02",
        "first tool call 2024-05-01",
        "first creation 2024-06-30",
        "first completed conversation not yet",
        "first out of credits not yet",
    ]


def test_a_user_s_last_twenty_conversations_are_shown(conversations: Conversations) -> None:
    lines = after(conversations("--user", "ana"), "The last 20 conversations")
    assert lines[:4] == [
        "began status satisfaction use case blocker asked",
        "2024-06-30 09:03 completed 7 - timeout # -",
        "2024-06-30 09:01 completed 7 contract review - Review this",
        "2024-06-29 09:29 completed 7 contract review - Review this",
    ]
    assert len(lines) == 21
    assert lines[-1].startswith("2024-06-29 09:12")


def test_a_user_s_tools_failures_and_credits_are_shown(conversations: Conversations) -> None:
    told = conversations("--user", "ana")
    # 2 + 2 + 1 calls within the 90 days, 6 + 6 credits.
    assert after(told, "Tools, in 90 days") == ["search 5 calls 4 successful 12 credits"]
    assert after(told, "Failures, in 90 days") == [
        "none 2 failures last 2024-06-30 quota",
        "search 1 failure last 2024-06-30 slow",
    ]
    assert after(told, "Credits by month") == [
        "2024-06 10 credits",
        "2024-05 91 credits out of credits on 1 day",
    ]


def test_a_user_of_whom_little_is_known(conversations: Conversations) -> None:
    told = conversations("--user", "ben")
    assert (told.code, told.error) == (0, "")
    assert after(told, "Evidence, of 90 days") == [
        "first creation, retained: week 2; signed up 90 days ago, no account",
        "3 conversations (- completed), 21 messages, 95 credits, out of credits on 1 day",
        "active on 5 days, last -; 6 sessions of - minutes",
    ]
    assert {line[-7:] for line in after(told, "Journey")} == {"not yet"}
    assert after(told, "Failures, in 90 days") == ["none"]


@pytest.mark.parametrize(("user", "told"), [("ana", "ana@example.com"), ("ben", "not known")])
def test_e_mail_is_shown_where_it_is_asked_for_only(
    conversations: Conversations, user: str, told: str
) -> None:
    assert f"E-mail {told}" in conversations("--user", user, "--show-email").lines
    assert not any("E-mail" in line or "@" in line for line in conversations("--user", user).lines)


# --- what is not there ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--day", "2024-07-01"), ("2024-07-01 was not run", "2024-06-30", "harvey run --from")),
        (("--day", "May"), ("--day is 'May'",)),
        (("--user", "anna"), ("no user is named anna on 2024-06-30", "Did you mean ana?")),
        (("--user", "xyz"), ("no user is named xyz", "conversations.user_profiles")),
        (("--user", "ana", "--day", "2024-06-23"), ("no user is named ana on 2024-06-23",)),
        (("--user", "ana", "--ai-analysis"), ("exclude each other",)),
        (("--show-email",), ("--show-email is about one user",)),
    ],
)
def test_what_is_not_there_is_refused_in_a_line(
    conversations: Conversations, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    told = conversations(*arguments)
    assert (told.code, told.lines) == (2, [])
    assert told.error.startswith("harvey: ")
    for part in parts:
        assert part in told.error


@pytest.mark.parametrize("command", ["conversations", "insights", "export-investors"])
@pytest.mark.parametrize("copy", ["none", "of other subjects", "without a day"])
def test_nothing_was_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    copy: str,
) -> None:
    if copy != "none":
        with duckdb.connect(str(published_path(tmp_path / "warehouse.duckdb"))) as connection:
            if copy == "without a day":
                connection.execute("create schema conversations")
                connection.execute("create table conversations.pmf_dashboard (date date)")
    monkeypatch.chdir(tmp_path)
    told = run_beside(tmp_path, monkeypatch, capsys, command)
    assert (told.code, told.lines) == (2, [])
    assert "Nothing of the conversations" in told.error
    assert "harvey run" in told.error
    assert not (tmp_path / "reports").exists()
