"""Profiles: every figure at the edges of its window, and a range in one pass as its days."""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.conversations.tables.users import USER_PROFILES, UserProfiles
from harvey_pipeline.conversations.transforms import profiles
from harvey_pipeline.conversations.transforms.profiles import Sums, profile_users
from harvey_pipeline_tests.conversations.transforms.sums_of_users import (
    ACCOUNTS,
    CONVERSATION_DAILY,
    DAY,
    EXHAUSTION,
    TOOL_DAILY,
    TRAIT_DAILY,
    USER_DAILY,
    Row,
    Rows,
    account,
    calls,
    days_before,
    exhaustion,
    moment,
    preference,
    prompt,
    talk,
    user_day,
)

USE_CASES: Final = ("litigation", "drafting", "translation")
_STEPS: Final[dict[str, Any]] = {
    "user_id": pl.String,
    "signed_up_date": pl.Date,
    "first_creation_date": pl.Date,
}


_ACCOUNT: Final = (account(),)


def profiled(
    daily: Sequence[Row] = (),
    talks: Sequence[Row] | None = None,
    *,
    tools: Sequence[Row] = (),
    traits: Sequence[Row] = (),
    exhausted: Sequence[Row] = (),
    steps: Sequence[Row] | None = None,
    accounts: Sequence[Row] = _ACCOUNT,
    days: Sequence[date] = (DAY,),
) -> Rows:
    """The table of some days, checked by its schema.

    Every active day is of the conversation `c1`, and everybody signed up 200 days before `DAY`,
    where nothing else is given; of users with an account there is `u1`.
    """
    if talks is None:
        talks = [talk(date=row["date"], user_id=row["user_id"]) for row in daily]
    if steps is None:
        users = {row["user_id"] for row in (*daily, *accounts)}
        steps = [step(user_id=user) for user in users]
    sums = Sums(
        pl.LazyFrame(list(daily), schema=USER_DAILY),
        pl.LazyFrame(list(talks), schema=CONVERSATION_DAILY),
        pl.LazyFrame(list(tools), schema=TOOL_DAILY),
        pl.LazyFrame(list(traits), schema=TRAIT_DAILY),
        pl.LazyFrame(list(exhausted), schema=EXHAUSTION),
    )
    blocks = profile_users(
        sums,
        pl.LazyFrame(list(steps), schema=_STEPS),
        pl.LazyFrame(list(accounts), schema=ACCOUNTS),
        days,
        USE_CASES,
    )
    rows = pl.concat([USER_PROFILES.empty(), *blocks]).collect()
    assert rows.schema == USER_PROFILES.empty().collect_schema()
    UserProfiles.validate(rows)
    assert rows.equals(rows.sort("date", "user_id"))
    return rows.to_dicts()


def step(ago: int = 200, creation_ago: int | None = None, **changes: Any) -> Row:
    """A row of `first_steps`: signed up so many days before `DAY`, and created something."""
    created = None if creation_ago is None else days_before(creation_ago)
    row = {"user_id": "u1", "signed_up_date": days_before(ago), "first_creation_date": created}
    return row | changes


def profile(*args: Any, **changes: Any) -> Row:
    """The profile of `u1` on `DAY`, alone."""
    (row,) = profiled(*args, **changes)
    return row


def test_a_user_who_did_nothing() -> None:
    assert profile() == {
        "date": DAY,
        "user_id": "u1",
        "email": "u1@example.com",
        "created_at": moment(200),
        "signed_up_date": days_before(200),
        "days_since_signup": 200,
        "total_conversations": 0,
        "total_messages": 0,
        "total_credits_used": 0,
        "active_days": 0,
        "sessions": 0,
        "last_active_at": None,
        "last_active_date": None,
        "average_session_length": None,
        "completion_rate": None,
        "primary_use_case": None,
        "preferred_tools": [],
        "frequently_used_prompts": [],
        "preferences": "{}",
        "credit_exhaustion_count": 0,
        "retention_cohort": "churned",
        "activation_status": "dormant",
        "context_summary": "not active in 90 days; status dormant",
    }


def test_a_user_who_did_a_lot() -> None:
    row = profile(
        [
            user_day(3, messages=4, credits_used=7, sessions=2, session_seconds=300),
            user_day(1, messages=3, credits_used=2, sessions=1, session_seconds=61, creations=1),
        ],
        [
            talk(3, user_messages=2, use_case_messages='{"litigation":2}'),
            talk(3, conversation_id="c2", user_messages=1, use_case_messages='{"drafting":3}'),
            talk(1, conversation_id="c3", completions=1),
        ],
        tools=[calls(3, "search", 2), calls(1, "draft_writer")],
        traits=[
            prompt(3, "find the case", 2),
            preference(3, "tone=warm", 2),
            preference(1, "style=plain", 2),
        ],
        exhausted=[exhaustion(3)],
        steps=[step(20, 1)],
    )

    expected = {
        "days_since_signup": 20,
        "total_conversations": 3,
        "total_messages": 7,
        "total_credits_used": 9,
        "active_days": 2,
        "sessions": 3,
        "last_active_at": moment(1),
        "last_active_date": days_before(1),
        "average_session_length": 361 / 180,
        "completion_rate": 100 / 3,
        "primary_use_case": "drafting",
        "preferred_tools": ["search", "draft_writer"],
        "frequently_used_prompts": ["find the case"],
        "preferences": '{"style":"plain","tone":"warm"}',
        "credit_exhaustion_count": 1,
        "retention_cohort": "week_2",
        "activation_status": "first_creation",
        # 1 of 3: (200 + 3) // 6 = 33.
        "context_summary": "mainly drafting; prefers search, draft_writer; style plain; "
        "tone warm; 3 conversations in 90 days, 33 % completed; last active 2024-05-30; "
        "status first creation",
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("ago", "is_in_window"),
    [(0, True), (89, True), (90, False), (-1, False)],
)
def test_the_window_is_90_days(ago: int, is_in_window: bool) -> None:
    row = profile(
        [user_day(ago, messages=5, credits_used=4, sessions=2, session_seconds=120)],
        [talk(ago, completions=1, user_messages=1, use_case_messages='{"drafting":1}')],
        tools=[calls(ago)],
        traits=[prompt(ago, times=2), preference(ago, times=2)],
        exhausted=[exhaustion(ago)],
    )
    found = (
        row["total_conversations"],
        row["total_messages"],
        row["total_credits_used"],
        row["active_days"],
        row["sessions"],
        row["last_active_date"],
        row["average_session_length"],
        row["completion_rate"],
        row["primary_use_case"],
        row["preferred_tools"],
        row["frequently_used_prompts"],
        row["preferences"],
        row["credit_exhaustion_count"],
    )

    if is_in_window:
        drafting = ("drafting", ["search"], ["find it"], '{"style":"plain"}', 1)
        assert found == (1, 5, 4, 1, 2, days_before(ago), 1.0, 100.0, *drafting)
    else:
        assert found == (0, 0, 0, 0, 0, None, None, None, None, [], [], "{}", 0)


@pytest.mark.parametrize(
    ("accounts", "active_ago", "email", "has_profile"),
    [
        pytest.param([account()], None, "u1@example.com", True, id="valid"),
        pytest.param([account(0)], None, "u1@example.com", True, id="begins-on-the-day"),
        pytest.param([account(-1)], None, None, False, id="begins-the-day-after"),
        pytest.param([account(9, 0)], None, "u1@example.com", True, id="ends-on-the-day"),
        pytest.param([account(9, 1)], None, None, False, id="ended-the-day-before"),
        pytest.param([account(9, 1)], 89, "u1@example.com", True, id="departed-but-active"),
        pytest.param([account(9, 1)], 90, None, False, id="departed-and-long-silent"),
        pytest.param([account(-1)], 3, None, True, id="active-before-the-account"),
        pytest.param([], 0, None, True, id="active-without-one"),
        pytest.param(
            [account(9, 5, email="old"), account(4, email="new")], None, "new", True, id="changed"
        ),
        pytest.param(
            [account(9, 0, email="old"), account(-1, email="new")], None, "old", True, id="not-yet"
        ),
    ],
)
def test_who_has_a_profile(
    accounts: Rows, active_ago: int | None, email: str | None, has_profile: bool
) -> None:
    daily = [] if active_ago is None else [user_day(active_ago)]
    found = profiled(daily, accounts=accounts)

    assert [row["email"] for row in found] == [email] * has_profile


@pytest.mark.parametrize(
    ("talks", "completed"),
    [
        pytest.param([talk(5, completions=1)], 1, id="a-completion"),
        pytest.param([talk(90, completions=1), talk(5)], 0, id="a-completion-that-has-left"),
        pytest.param([talk(89, completions=1), talk(5)], 1, id="a-completion-on-the-first-day"),
        pytest.param(
            [
                talk(9, creations=1, last_success_at=moment(9)),
                talk(8, last_failure_at=moment(8)),
            ],
            0,
            id="a-failure-after-the-creation",
        ),
        pytest.param(
            [
                talk(9, creations=1, last_success_at=moment(9)),
                talk(8, last_failure_at=moment(8)),
                talk(7, last_success_at=moment(7)),
            ],
            1,
            id="a-success-after-the-failure",
        ),
        pytest.param(
            [talk(9, creations=1, last_success_at=moment(9), last_failure_at=moment(9))],
            0,
            id="at-the-same-moment",
        ),
        pytest.param(
            [
                talk(90, creations=1, last_success_at=moment(90)),
                talk(9, last_success_at=moment(9)),
            ],
            0,
            id="a-creation-that-has-left",
        ),
        pytest.param(
            [
                talk(95, last_failure_at=moment(95)),
                talk(89, creations=1, last_success_at=moment(89)),
            ],
            1,
            id="a-failure-that-has-left",
        ),
        pytest.param(
            [talk(9, completions=1), talk(8, last_failure_at=moment(8))],
            1,
            id="a-completion-and-a-failure-after",
        ),
    ],
)
def test_a_conversation_is_folded_over_the_window(talks: Rows, completed: int) -> None:
    daily = [user_day((DAY - row["date"]).days) for row in talks]
    row = profile(daily, talks)

    assert (row["total_conversations"], row["completion_rate"]) == (1, 100.0 * completed)


def test_a_conversation_of_two_users_is_one_of_each() -> None:
    daily = [user_day(), user_day(user_id="u2"), user_day(1, user_id="u2")]
    talks = [talk(completions=1), talk(user_id="u2"), talk(1, user_id="u2", conversation_id="c2")]
    found = profiled(daily, talks)

    assert [(row["total_conversations"], row["completion_rate"]) for row in found] == [
        (1, 100.0),
        (2, 0.0),
    ]


@pytest.mark.parametrize(
    ("counts", "use_case"),
    [
        pytest.param(["{}"], None, id="none"),
        pytest.param(['{"other":9}'], "other", id="other-alone"),
        pytest.param(['{"drafting":1,"other":9}'], "drafting", id="other-only-without-a-named-one"),
        pytest.param(['{"drafting":2,"litigation":2}'], "litigation", id="ties-by-catalogue"),
        pytest.param(['{"drafting":3,"litigation":2}'], "drafting", id="most"),
        pytest.param(['{"drafting":3}', '{"translation":4}'], "translation", id="of-conversations"),
        pytest.param(['{"drafting":3}', '{"drafting":1,"litigation":3}'], "drafting", id="added"),
    ],
)
def test_primary_use_case(counts: list[str], use_case: str | None) -> None:
    talks = [
        talk(conversation_id=f"c{place}", user_messages=1, use_case_messages=one)
        for place, one in enumerate(counts)
    ]

    assert profile([user_day()], talks)["primary_use_case"] == use_case


@pytest.mark.parametrize(
    ("tools", "preferred"),
    [
        pytest.param([calls(1, "b"), calls(1, "a")], ["a", "b"], id="ties-by-name"),
        pytest.param([calls(2, "a"), calls(1, "b")], ["b", "a"], id="ties-by-last-date"),
        pytest.param([calls(9, "a", 2), calls(0, "b")], ["a", "b"], id="by-calls"),
        pytest.param([calls(9, "a"), calls(8, "a"), calls(0, "b")], ["a", "b"], id="calls-add-up"),
        pytest.param([calls(90, "a", 9), calls(0, "a"), calls(0, "b", 2)], ["b", "a"], id="left"),
        pytest.param([calls(0, "unknown", 9), calls(0, "none", 9)], [], id="without-a-name"),
        pytest.param([calls(0, "a", 0, error_type="timeout")], [], id="failed-but-not-called"),
        pytest.param(
            [calls(5, "a"), calls(0, "a", 0), calls(4, "b")], ["b", "a"], id="last-date-of-a-call"
        ),
        pytest.param(
            [calls(0, "a"), calls(0, "a", 2, error_type="timeout"), calls(0, "b", 2)],
            ["a", "b"],
            id="failed-calls-count",
        ),
        pytest.param(
            [calls(ago, f"t{ago}") for ago in range(6)], [f"t{ago}" for ago in range(5)], id="five"
        ),
        pytest.param(
            [calls(0, "\U0001f600"), calls(0, "\uffe6")], ["\uffe6", "\U0001f600"], id="code-points"
        ),
    ],
)
def test_preferred_tools(tools: Rows, preferred: list[str]) -> None:
    assert profile([user_day()], tools=tools)["preferred_tools"] == preferred


@pytest.mark.parametrize(
    ("traits", "prompts"),
    [
        pytest.param([prompt(times=1)], [], id="once"),
        pytest.param([prompt(times=2)], ["find it"], id="twice"),
        pytest.param([prompt(89), prompt(0)], ["find it"], id="once-and-once"),
        pytest.param([prompt(90), prompt(0)], [], id="one-has-left"),
        pytest.param([preference(times=5)], [], id="a-preference-is-none"),
        pytest.param(
            [prompt(0, "b b", 2), prompt(0, "a a", 2), prompt(1, "c c", 3), prompt(2, "d d", 2)],
            ["c c", "a a", "b b", "d d"],
            id="ordered",
        ),
        pytest.param(
            [prompt(ago, f"p p{ago}", 2) for ago in range(6)],
            [f"p p{ago}" for ago in range(5)],
            id="five",
        ),
    ],
)
def test_frequently_used_prompts(traits: Rows, prompts: list[str]) -> None:
    assert profile([user_day()], traits=traits)["frequently_used_prompts"] == prompts


@pytest.mark.parametrize(
    ("traits", "preferences"),
    [
        pytest.param([preference(times=1)], {}, id="once"),
        pytest.param([preference(times=2)], {"style": "plain"}, id="twice"),
        pytest.param(
            [preference(0, "style=a", 1), preference(9, "style=b", 2)], {"style": "b"}, id="most"
        ),
        pytest.param(
            [preference(1, "style=a", 2), preference(0, "style=b", 2)], {"style": "b"}, id="latest"
        ),
        pytest.param(
            [preference(0, "style=b", 2), preference(0, "style=a", 2)], {"style": "a"}, id="value"
        ),
        pytest.param(
            [preference(0, "tone=a", 2), preference(0, "language=b", 2)],
            {"language": "b", "tone": "a"},
            id="keys-in-order",
        ),
        pytest.param([preference(0, "style=a=b", 2)], {"style": "a=b"}, id="a-value-with-a-sign"),
        pytest.param(
            [preference(0, 'style="\\\b\f\n\r\t\x01\x1f/é\x7f', 2)],
            {"style": '"\\\b\f\n\r\t\x01\x1f/é\x7f'},
            id="escaped",
        ),
        pytest.param([prompt(0, "style=plain", 2)], {}, id="a-prompt-is-none"),
    ],
)
def test_preferences(traits: Rows, preferences: dict[str, str]) -> None:
    text = profile([user_day()], traits=traits)["preferences"]

    assert text == json.dumps(preferences, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    ("signed_up_ago", "active_agos", "cohort"),
    [
        pytest.param(13, [], "day_0", id="13-days-without-anything"),
        pytest.param(14, [], "churned", id="14-days-without-anything"),
        pytest.param(14, [13], "day_1", id="14-days-and-active-on-the-first-of-14"),
        pytest.param(14, [14], "churned", id="14-days-and-active-before-them"),
        pytest.param(13, [13], "day_0", id="on-day-0"),
        pytest.param(13, [12], "day_1", id="on-day-1"),
        pytest.param(13, [7], "day_1", id="on-day-6"),
        pytest.param(13, [6], "week_1", id="on-day-7"),
        pytest.param(20, [7], "week_1", id="on-day-13"),
        pytest.param(20, [6], "week_2", id="on-day-14"),
        pytest.param(20, [19, 12], "week_1", id="on-days-1-and-8"),
        pytest.param(80, [13], "week_2", id="much-later"),
        pytest.param(80, [14], "churned", id="much-later-and-then-silent"),
        pytest.param(0, [0], "day_0", id="signed-up-today"),
    ],
)
def test_retention_cohort(signed_up_ago: int, active_agos: list[int], cohort: str) -> None:
    daily = [user_day(ago) for ago in active_agos]

    assert profile(daily, steps=[step(signed_up_ago)])["retention_cohort"] == cohort


@pytest.mark.parametrize(
    ("signed_up_ago", "creation_ago", "daily", "status"),
    [
        pytest.param(29, None, [], "signed_up", id="29-silent-days"),
        pytest.param(30, None, [], "dormant", id="30-silent-days"),
        pytest.param(30, None, [user_day(29)], "signed_up", id="active-on-the-first-of-30"),
        pytest.param(30, 30, [user_day(30, creations=9)], "dormant", id="active-before-them"),
        pytest.param(
            29,
            7,
            [user_day(ago, creations=int(ago > 4)) for ago in range(8)],
            "power_user",
            id="8-days-and-3-creations",
        ),
        pytest.param(
            29,
            6,
            [user_day(ago, creations=int(ago > 3)) for ago in range(7)],
            "first_creation",
            id="7-days",
        ),
        pytest.param(
            29,
            7,
            [user_day(ago, creations=int(ago > 5)) for ago in range(8)],
            "first_creation",
            id="2-creations",
        ),
        pytest.param(
            60,
            30,
            [user_day(30, creations=3), *(user_day(ago) for ago in range(8))],
            "first_creation",
            id="creations-that-have-left",
        ),
        pytest.param(
            60,
            29,
            [user_day(29, creations=3), *(user_day(ago) for ago in range(7))],
            "power_user",
            id="creations-on-the-first-of-30",
        ),
        pytest.param(9, 0, [user_day(creations=1)], "first_creation", id="creation-today"),
        pytest.param(9, -1, [user_day()], "signed_up", id="creation-tomorrow"),
    ],
)
def test_activation_status(
    signed_up_ago: int, creation_ago: int | None, daily: Rows, status: str
) -> None:
    row = profile(daily, steps=[step(signed_up_ago, creation_ago)])

    assert row["activation_status"] == status


@pytest.mark.parametrize(
    ("completed", "of", "percent"),
    [
        pytest.param(0, 1, 0, id="none"),
        pytest.param(1, 1, 100, id="all"),
        pytest.param(2, 3, 67, id="rounded-up"),
        pytest.param(1, 3, 33, id="rounded-down"),
        pytest.param(1, 8, 13, id="half-up-from-12.5"),
        pytest.param(1, 40, 3, id="half-up-from-2.5"),
    ],
)
def test_percent_of_the_summary(completed: int, of: int, percent: int) -> None:
    talks = [talk(conversation_id=f"c{n}", completions=int(n < completed)) for n in range(of)]

    summary = profile([user_day()], talks)["context_summary"]
    assert f"{of} conversations in 90 days, {percent} % completed" in summary


def test_words_of_the_summary_have_blanks() -> None:
    row = profile(
        [user_day(creations=1)],
        steps=[step(0, 0)],
        tools=[calls(tool="a_b")],
        traits=[preference(name="style=c_d", times=2)],
    )

    assert row["context_summary"] == (
        "prefers a_b; style c_d; 1 conversations in 90 days, 0 % completed; "
        "last active 2024-05-31; status first creation"
    )


def test_the_last_activity_is_that_of_the_latest_day() -> None:
    late = datetime(2024, 5, 29, 23, 59, 59, 999_999)
    row = profile([user_day(2, last_event_at=late), user_day(5)])

    assert (row["last_active_at"], row["last_active_date"]) == (late, late.date())


def test_of_nobody_and_of_no_day_there_is_nothing() -> None:
    assert profiled(accounts=[]) == []
    assert profiled([user_day()], days=[]) == []


# A range in one pass

_LONG: Final = 100
_STARTS: Final = st.sampled_from([0, 1, 2, 5, 9, 29, 30, 31, 88, 89, 90, 91, 92, 99])
_TALKS: Final = st.lists(
    st.fixed_dictionaries(
        {
            "ago": _STARTS,
            "user_id": st.sampled_from(["u1", "u2"]),
            "conversation_id": st.sampled_from(["c1", "c2"]),
            "creations": st.integers(0, 2),
            "completions": st.sampled_from([0, 0, 0, 1]),
            "success_hour": st.integers(8, 10),
            "failure_hour": st.sampled_from([None, 8, 9, 10]),
            "use_case": st.sampled_from([*USE_CASES, "other"]),
            "tool": st.sampled_from(["a", "b", "unknown"]),
            "name": st.sampled_from(["x x", "y y"]),
            "style": st.sampled_from(["p", "q"]),
        }
    ),
    max_size=12,
    unique_by=lambda one: (one["ago"], one["user_id"], one["conversation_id"]),
)


def _history(drawn: Rows) -> dict[str, Rows]:
    """The tables of some days that agree with one another."""
    tables: dict[str, Rows] = {
        name: [] for name in ("daily", "talks", "tools", "traits", "exhausted")
    }
    for one in drawn:
        ago, who = one["ago"], {"user_id": one["user_id"]}
        has_failed = one["failure_hour"] is not None
        tables["talks"].append(
            talk(
                ago,
                **who,
                conversation_id=one["conversation_id"],
                user_messages=1,
                creations=one["creations"],
                completions=one["completions"],
                use_case_messages=f'{{"{one["use_case"]}":1}}',
                last_success_at=moment(ago, one["success_hour"]) if one["creations"] else None,
                last_failure_at=moment(ago, one["failure_hour"]) if has_failed else None,
            )
        )
    for ago, user in sorted({(one["ago"], one["user_id"]) for one in drawn}):
        of_day = [one for one in drawn if (one["ago"], one["user_id"]) == (ago, user)]
        tables["daily"].append(
            user_day(
                ago,
                user_id=user,
                messages=len(of_day) + ago,
                creations=sum(one["creations"] for one in of_day),
                credits_used=ago,
                session_seconds=60 * ago,
            )
        )
        first = of_day[0]
        tables["tools"].append(calls(ago, first["tool"], user_id=user))
        tables["traits"].append(prompt(ago, first["name"], user_id=user))
        tables["traits"].append(preference(ago, f"style={first['style']}", user_id=user))
        tables["exhausted"].append(exhaustion(ago, bool(first["completions"]), user_id=user))
    return tables


def _steps_of(drawn: Rows) -> Rows:
    found = []
    for user in ("u1", "u2"):
        of_user = [one for one in drawn if one["user_id"] == user]
        creations = [one["ago"] for one in of_user if one["creations"]]
        signed_up = max([one["ago"] for one in of_user] + ([60] if user == "u1" else []), default=0)
        found.append(step(signed_up, max(creations, default=None), user_id=user))
    return found


def _expected(tables: dict[str, Rows], day: date, user: str) -> Row:
    """Some of the figures of a user by the rules, row by row."""
    first = day - timedelta(days=89)
    of_user = {
        name: [row for row in rows if row["user_id"] == user and first <= row["date"] <= day]
        for name, rows in tables.items()
    }
    daily, talks = of_user["daily"], of_user["talks"]
    conversations = {row["conversation_id"] for row in talks}
    completed = sum(
        _is_completed([row for row in talks if row["conversation_id"] == one])
        for one in conversations
    )
    use_cases: dict[str, int] = {}
    for row in talks:
        for name, number in json.loads(row["use_case_messages"]).items():
            use_cases[name] = use_cases.get(name, 0) + number
    named = sorted(
        (-use_cases[name], USE_CASES.index(name)) for name in use_cases if name != "other"
    )
    uses = _ranked([row | {"name": row["tool_name"], "times": 1} for row in of_user["tools"]], 1)
    prompts = _ranked([row for row in of_user["traits"] if row["kind"] == "prompt"], 2)
    styles = _ranked([row for row in of_user["traits"] if row["kind"] == "preference"], 2)
    return {
        "total_conversations": len(conversations),
        "completion_rate": 100 * completed / len(conversations) if conversations else None,
        "total_messages": sum(row["messages"] for row in daily),
        "total_credits_used": sum(row["credits_used"] for row in daily),
        "active_days": len(daily),
        "last_active_date": max((row["date"] for row in daily), default=None),
        "average_session_length": sum(row["session_seconds"] for row in daily) / (60 * len(daily))
        if daily
        else None,
        "primary_use_case": USE_CASES[named[0][1]] if named else ("other" if use_cases else None),
        "preferred_tools": [name for name in uses if name != "unknown"],
        "frequently_used_prompts": prompts,
        "preferences": f'{{"style":"{styles[0].partition("=")[2]}"}}' if styles else "{}",
        "credit_exhaustion_count": sum(row["is_exhausted"] for row in of_user["exhausted"]),
    }


def _is_completed(rows: Rows) -> bool:
    if any(row["completions"] for row in rows):
        return True
    success = max((row["last_success_at"] for row in rows if row["last_success_at"]), default=None)
    failure = max((row["last_failure_at"] for row in rows if row["last_failure_at"]), default=None)
    has_creation = any(row["creations"] for row in rows)
    return has_creation and (failure is None or failure < success)


def _ranked(rows: Rows, fewest: int) -> list[str]:
    found = []
    for name in {row["name"] for row in rows}:
        of_name = [row for row in rows if row["name"] == name]
        times = sum(row["times"] for row in of_name)
        if times >= fewest:
            last = max(row["date"] for row in of_name)
            found.append((-times, -last.toordinal(), name))
    return [name for _, _, name in sorted(found)]


@settings(max_examples=20, deadline=None)
@given(_TALKS)
def test_a_range_in_one_pass_follows_the_rules_of_each_day(drawn: Rows) -> None:
    tables = _history(drawn)
    days = [days_before(ago) for ago in range(95, -1, -1)]
    found = profiled(**tables, accounts=[account(60)], steps=_steps_of(drawn), days=days)

    keys = [
        (day, user)
        for day in days
        for user in ("u1", "u2")
        if (user == "u1" and day >= days_before(60))
        or _expected(tables, day, user)["active_days"] > 0
    ]
    assert [(row["date"], row["user_id"]) for row in found] == keys
    for row in found:
        expected = _expected(tables, row["date"], row["user_id"])
        assert {name: row[name] for name in expected} == expected


@settings(max_examples=5, deadline=None)
@given(_TALKS, st.integers(1, 4))
def test_a_range_in_one_pass_is_its_days_one_by_one(drawn: Rows, length: int) -> None:
    tables, steps = _history(drawn), _steps_of(drawn)
    days = [days_before(ago) for ago in range(5, -1, -1)]
    whole = profiled(**tables, steps=steps, days=days)

    by_day = [row for day in days for row in profiled(**tables, steps=steps, days=[day])]
    assert by_day == whole
    with pytest.MonkeyPatch.context() as patch:
        # Two users, so that a block has so many days.
        patch.setattr(profiles, "_BLOCK_ROWS", 2 * length)
        assert profiled(**tables, steps=steps, days=days) == whole


@settings(max_examples=10, deadline=None)
@given(_TALKS)
def test_a_profile_never_changes_by_later_days(drawn: Rows) -> None:
    steps = _steps_of(drawn)
    day = days_before(5)
    tables = _history(drawn)
    past = {name: [row for row in rows if row["date"] <= day] for name, rows in tables.items()}

    assert profiled(**tables, steps=steps, days=[day]) == profiled(**past, steps=steps, days=[day])


def test_many_days_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "_MOST_BLOCK_DAYS", 2)
    days = [days_before(ago) for ago in range(4, -1, -1)]
    found = profiled([user_day(3, messages=2)], days=days)

    assert [row["total_messages"] for row in found] == [0, 2, 2, 2, 2]
