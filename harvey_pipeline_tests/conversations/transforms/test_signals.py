"""The signals of market fit: each at both sides of its threshold, and where nothing is known."""

from collections.abc import Collection
from datetime import date
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.conversations.tables.labels import SIGNALS
from harvey_pipeline.conversations.tables.marts import PMF_SIGNALS
from harvey_pipeline.conversations.transforms.signals import read_signals
from harvey_pipeline_tests.conversations.mart_rows import (
    DAY,
    Row,
    before,
    cells,
    conversation_rows,
    days_to,
    exhaustions,
    figures,
    per_user,
    points,
    rows_of,
    talks_of,
    user_rows,
)

PERSONAL = '{"personal_video":1}'
DRAFTING = '{"drafting":1}'
NAMES = ("numerator", "denominator", "value", "threshold", "is_met", "is_reliable")


def read(
    *,
    used: pl.LazyFrame | None = None,
    conversations: pl.LazyFrame | None = None,
    exhausted: pl.LazyFrame | None = None,
    failing: pl.LazyFrame | None = None,
    retention: pl.LazyFrame | None = None,
    vision: Collection[str] = (),
    days: list[date] | None = None,
) -> dict[tuple[date, str], Row]:
    plans = read_signals(
        user_rows() if used is None else used,
        talks_of(conversations, ("drafting", "personal_video"), days or [DAY]),
        exhaustions() if exhausted is None else exhausted,
        points() if failing is None else failing,
        cells() if retention is None else retention,
        vision,
        days or [DAY],
    )
    return {(row["date"], row["signal"]): row for row in rows_of(plans, PMF_SIGNALS)}


def told(name: str, **given: Any) -> list[Any]:
    return figures(read(**given)[DAY, name], *NAMES)


def people(count: int) -> list[str]:
    return [f"u{number}" for number in range(count)]


def talks(count: int, some: int, row: Row, usual: Row | None = None) -> pl.LazyFrame:
    """So many conversations, some of them with more."""
    return conversation_rows(
        *(
            {"conversation_id": f"c{number}"} | (usual or {}) | (row if number < some else {})
            for number in range(count)
        )
    )


def test_a_day_without_anything_has_all_signals_and_none_of_them_is_met() -> None:
    rows = read()
    assert {name for _, name in rows} == {name for names in SIGNALS.values() for name in names}
    assert len(rows) == 11
    for (_, name), row in rows.items():
        assert name in SIGNALS[row["kind"]]
        assert figures(row, "numerator", "denominator", "is_reliable") == [0, 0, False]
        is_counted = name == "repeated_blockers"
        assert figures(row, "value", "is_met") == ([0.0, False] if is_counted else [None, None])


@pytest.mark.parametrize(
    ("name", "column", "some", "count", "value", "is_met"),
    [
        ("organic_sharing", "sharing_events", 1, 20, 5.0, False),
        ("organic_sharing", "sharing_events", 2, 20, 10.0, True),
        ("organic_sharing", "sharing_events", 1, 19, 100 / 19, True),
        ("single_session_users", "sessions", 10, 20, 50.0, False),
        ("single_session_users", "sessions", 11, 20, 55.0, True),
    ],
)
def test_signals_of_active_users(
    name: str, column: str, some: int, count: int, value: float, *, is_met: bool
) -> None:
    usual = {"sessions": 2}
    rows = [
        {"user_id": user} | usual | ({column: 1} if place < some else {})
        for place, user in enumerate(people(count))
    ]
    threshold = {"organic_sharing": 5.0, "single_session_users": 50.0}[name]
    expected = [some, count, value, threshold, is_met, count >= 20]
    assert told(name, used=user_rows(*rows)) == expected


@pytest.mark.parametrize(("some", "is_met"), [(4, False), (5, True)])
def test_exhausted_users(some: int, *, is_met: bool) -> None:
    """More than a fifth of twenty; those exhausted before, or only near the limit, do not count."""
    given: dict[str, Any] = {
        "used": user_rows(*per_user({}, people(20))),
        "exhausted": exhaustions(
            *per_user({}, people(some)),
            *per_user({"date": before(29)}, people(some)),
            {"user_id": "u18", "is_exhausted": False},
            {"user_id": "u19", "date": before(30)},
        ),
    }
    assert told("credit_exhaustion_rate", **given) == [some, 20, 5.0 * some, 20.0, is_met, True]
    assert told("no_credit_exhaustion", **given) == [some, 20, float(some), 0.0, False, True]


def test_nobody_exhausted_is_a_weak_sign_where_somebody_is_active() -> None:
    used = user_rows(*per_user({}, people(3)))
    assert told("no_credit_exhaustion", used=used) == [0, 3, 0.0, 0.0, True, False]
    assert told("credit_exhaustion_rate", used=used) == [0, 3, 0.0, 20.0, False, False]


@pytest.mark.parametrize(("count", "is_reliable"), [(19, False), (20, True)])
def test_twenty_are_reliable(count: int, *, is_reliable: bool) -> None:
    row = told("organic_sharing", used=user_rows(*per_user({}, people(count))))
    assert row == [0, count, 0.0, 5.0, False, is_reliable]


def test_a_user_is_active_for_thirty_days() -> None:
    used = user_rows({"date": before(29)}, {"date": before(30), "user_id": "gone"})
    assert told("organic_sharing", used=used)[1] == 1


@pytest.mark.parametrize(
    ("agos", "single"), [((0,), 1), ((29,), 1), ((0, 30), 1), ((0, 29), 0), ((3, 3), 0)]
)
def test_one_session_is_one_of_the_whole_window(agos: tuple[int, ...], single: int) -> None:
    rows = [{"date": before(ago), "sessions": agos.count(ago)} for ago in dict.fromkeys(agos)]
    assert told("single_session_users", used=user_rows(*rows))[:2] == [single, 1]


@pytest.mark.parametrize(("retained", "is_met"), [(8, False), (9, True)])
def test_retention_of_the_cohorts_of_a_week_ago(retained: int, *, is_met: bool) -> None:
    rows = cells(
        {"date": before(7), "cohort_size": 15, "retained": retained},
        {"date": before(36), "cohort_size": 5, "retained": 0},
        {"date": before(6), "cohort_size": 100, "retained": 100},
        {"date": before(37), "cohort_size": 100, "retained": 100},
        {"date": before(8), "cohort_size": 100, "retained": None},
        {"date": before(9), "period": "day_1", "cohort_size": 100, "retained": 100},
    )
    value = 5.0 * retained
    found = told("day_7_retention", retention=rows)
    assert found == [retained, 20, value, 40.0, is_met, True]


@pytest.mark.parametrize(
    ("name", "row", "some", "count", "is_met"),
    [
        ("love_in_conversations", {"loved_messages": 2}, 1, 50, False),
        ("love_in_conversations", {"loved_messages": 1}, 1, 49, True),
        ("unmet_requests", {"feature_requests": ["please add more"]}, 2, 20, False),
        ("unmet_requests", {"feature_requests": ["i wish", "i wish"]}, 3, 20, True),
    ],
)
def test_signals_of_conversations(
    name: str, row: Row, some: int, count: int, *, is_met: bool
) -> None:
    threshold = {"love_in_conversations": 2.0, "unmet_requests": 10.0}[name]
    found = told(name, conversations=talks(count, some, row))
    assert found == [some, count, 100 * some / count, threshold, is_met, True]


@pytest.mark.parametrize(
    ("messages", "value", "is_met"), [(99, 4.95, True), (100, 5.0, False), (101, 5.05, False)]
)
def test_conversations_are_short_below_five_messages(
    messages: int, value: float, *, is_met: bool
) -> None:
    rows = talks(20, 1, {"messages": messages - 19 * 4}, {"messages": 4})
    assert told("short_conversations", conversations=rows) == [
        *(messages, 20, value, 5.0, is_met, True)
    ]


@pytest.mark.parametrize(("failures", "is_met"), [(10, False), (11, True)])
def test_failures_of_the_attempts(failures: int, *, is_met: bool) -> None:
    used = user_rows(
        {"attempts": 60, "failures": failures},
        {"attempts": 40, "date": before(29)},
        {"attempts": 40, "failures": 40, "date": before(30)},
    )
    value = float(failures)
    assert told("error_rate", used=used) == [failures, 100, value, 10.0, is_met, True]


def test_blockers_that_are_repeated() -> None:
    failing = points(
        {}, {"tool_name": "b"}, {"tool_name": "c", "is_repeated": False}, {"date": before(1)}
    )
    used = user_rows({})
    found = told("repeated_blockers", used=used, failing=failing)
    assert found == [2, 1, 2.0, 0.0, True, False]
    assert told("repeated_blockers", used=used) == [0, 1, 0.0, 0.0, False, False]


@pytest.mark.parametrize(("some", "is_met"), [(10, False), (11, True)])
def test_use_cases_outside_the_vision(some: int, *, is_met: bool) -> None:
    talk = {"user_messages": 1, "messages": 1}
    rows = pl.concat(
        [
            talks(
                20,
                some,
                talk | {"use_case_messages": PERSONAL},
                talk | {"use_case_messages": DRAFTING},
            ),
            conversation_rows({"conversation_id": "without user messages"}),
        ]
    )
    given: dict[str, Any] = {"conversations": rows}
    found = told("use_case_mismatch", **given, vision=["drafting", "litigation"])
    assert found == [some, 20, 5.0 * some, 50.0, is_met, True]
    assert told("use_case_mismatch", **given) == [20, 20, None, 50.0, None, True]


def test_other_is_outside_the_vision() -> None:
    talk = {"user_messages": 1, "messages": 1, "use_case_messages": '{"other":1}'}
    found = told("use_case_mismatch", conversations=talks(1, 0, {}, talk), vision=["drafting"])
    assert found == [1, 1, 100.0, 50.0, True, False]


def test_many_days_at_once_are_what_each_gives_alone() -> None:
    used = user_rows(
        *(
            {
                "date": before(ago),
                "user_id": f"u{ago % 25}",
                "sessions": 1 + ago % 2,
                "attempts": 3,
                "failures": ago % 3,
                "sharing_events": ago % 9 == 0,
            }
            for ago in range(90)
        )
    )
    given: dict[str, Any] = {
        "used": used,
        "conversations": conversation_rows(
            *(
                {
                    "date": before(ago),
                    "conversation_id": f"c{ago % 13}",
                    "messages": 1 + ago % 4,
                    "loved_messages": ago % 8 == 0,
                }
                for ago in range(90)
            )
        ),
        "exhausted": exhaustions(
            *({"date": before(ago), "user_id": f"u{ago % 25}"} for ago in range(0, 90, 11))
        ),
        "failing": points(*({"date": before(ago)} for ago in range(0, 90, 4))),
        "retention": cells(
            *(
                {"date": before(ago), "cohort_size": 3, "retained": ago % 4 or None}
                for ago in range(100)
            )
        ),
        "vision": ["drafting"],
    }
    days = days_to(32)
    together = read(**given, days=days)
    alone: dict[tuple[date, str], Row] = {}
    for day in (days[0], days[14], days[15], days[-1]):
        alone |= read(**given, days=[day])
    assert len(together) == 11 * 32
    assert {key: row for key, row in together.items() if key in alone} == alone
