"""The dashboard of market fit: every figure of a small day, windows, and places of use cases."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.conversations.tables.labels import PERIODS
from harvey_pipeline.conversations.tables.marts import PMF_DASHBOARD
from harvey_pipeline.conversations.transforms.dashboard import tell_market_fit
from harvey_pipeline_tests.conversations.mart_rows import (
    DAY,
    Row,
    before,
    cases,
    cells,
    conversation_rows,
    days_to,
    exhaustions,
    figures,
    rows_of,
    signals,
    steps,
    talks_of,
    user_rows,
)

ORDER = ("contract_review", "legal_research", "drafting", "litigation")


def shown(
    *,
    people: pl.LazyFrame | None = None,
    used: pl.LazyFrame | None = None,
    conversations: pl.LazyFrame | None = None,
    exhausted: pl.LazyFrame | None = None,
    retention: pl.LazyFrame | None = None,
    told: pl.LazyFrame | None = None,
    signs: pl.LazyFrame | None = None,
    order: Sequence[str] = ORDER,
    covered: Collection[date] = (),
    days: list[date] | None = None,
) -> list[Row]:
    asked = days or [DAY]
    plans = tell_market_fit(
        steps() if people is None else people,
        user_rows() if used is None else used,
        talks_of(conversations, order, asked),
        exhaustions() if exhausted is None else exhausted,
        cells() if retention is None else retention,
        cases() if told is None else told,
        signals(*({"date": day} for day in asked)) if signs is None else signs,
        order,
        covered,
        asked,
    )
    return rows_of(plans, PMF_DASHBOARD)


def of_day(*names: str, **given: Any) -> list[Any]:
    [row] = shown(**given)
    return figures(row, *names)


def test_every_figure_of_a_day() -> None:
    [row] = shown(
        people=steps(
            {},
            {"user_id": "v", "signed_up_date": before(400)},
            {"user_id": "w", "signed_up_date": before(8)},
            {"user_id": "x", "signed_up_date": before(9)},
            {"user_id": "future", "signed_up_date": before(-1)},
        ),
        used=user_rows(
            {
                "conversations": 2,
                "messages": 5,
                "credits_used": 7,
                "sessions": 2,
                "session_seconds": 300,
                "attempts": 4,
                "failures": 1,
            },
            {"user_id": "v", "date": before(6), "session_seconds": 60},
            {"user_id": "w", "date": before(7), "attempts": 4},
            {"user_id": "x", "date": before(29), "messages": 90},
            {"user_id": "y", "date": before(30), "sessions": 50},
        ),
        conversations=conversation_rows(
            {"completions": 1, "loved_messages": 1},
            {"date": before(29), "conversation_id": "d"},
            {"date": before(30), "conversation_id": "e", "completions": 1},
        ),
        exhausted=exhaustions(
            {},
            {"user_id": "v", "is_exhausted": False},
            {"user_id": "v", "date": before(29)},
            {"user_id": "w", "date": before(30)},
        ),
        retention=cells(
            {"date": before(7), "cohort_size": 4, "retained": 1},
            {"date": before(1), "period": "day_1", "cohort_size": 3, "retained": 2},
        ),
        told=cases(
            {"use_case": "other", "conversations": 9, "share_percent": 75.0},
            {"use_case": "drafting", "conversations": 3, "share_percent": 25.0},
        ),
        signs=signals(
            {"signal": "organic_sharing", "kind": "strong"},
            {"signal": "day_7_retention", "kind": "strong", "is_met": False},
            {"signal": "error_rate", "is_reliable": False},
            {"signal": "single_session_users"},
            {"signal": "unmet_requests", "kind": "pivot"},
            {"signal": "use_case_mismatch", "kind": "pivot", "is_met": None},
        ),
        covered=[DAY],
    )
    pooled = {
        f"{period}_{name}": value
        for period in PERIODS
        for name, value in (("users", 0), ("retained", 0), ("retention", None))
    }
    assert row == {
        "date": DAY,
        "is_covered": True,
        "total_users": 4,
        "dau": 1,
        "wau": 2,
        "mau": 4,
        "dau_rate": 25.0,
        "stickiness": 25.0,
        "new_users": 1,
        "conversations": 2,
        "messages": 5,
        "credits_used": 7,
        "exhausted_users": 1,
        "exhausted_users_30d": 2,
        # 360 seconds in 2 + 1 + 1 + 1 sessions
        "average_session_length": 1.2,
        "completion_rate": 50.0,
        # 5 + 2 + 1 and 5
        "avg_satisfaction": 6.5,
        "error_rate": 12.5,
        **pooled,
        "day_1_users": 3,
        "day_1_retained": 2,
        "day_1_retention": 200 / 3,
        "day_7_users": 4,
        "day_7_retained": 1,
        "day_7_retention": 25.0,
        "top_use_case_1": "drafting",
        "top_use_case_1_percent": 25.0,
        "top_use_case_2": None,
        "top_use_case_2_percent": None,
        "top_use_case_3": None,
        "top_use_case_3_percent": None,
        "strong_signals": 1,
        "weak_signals": 1,
        "pivot_signals": 1,
    }


def test_a_day_without_anything() -> None:
    names = ("total_users", "dau", "mau", "conversations", "exhausted_users_30d", "day_30_users")
    assert of_day(*names) == [0] * 6
    rates = (
        *("dau_rate", "stickiness", "average_session_length", "completion_rate"),
        *("avg_satisfaction", "error_rate", "week_2_retention", "top_use_case_1"),
    )
    assert of_day(*rates) == [None] * 8
    assert of_day("is_covered", covered=[before(1)]) == [False]


def test_places_are_by_conversations_and_then_by_the_catalogue() -> None:
    told = cases(
        *(
            {"use_case": name, "conversations": number, "share_percent": 10.0 * number}
            for name, number in (
                ("litigation", 3),
                ("drafting", 2),
                ("contract_review", 2),
                ("legal_research", 2),
                ("other", 3),
            )
        ),
        {"date": before(1), "use_case": "drafting", "conversations": 99},
    )
    places = [f"top_use_case_{place}" for place in (1, 2, 3)]
    assert of_day(*places, told=told) == ["litigation", "contract_review", "legal_research"]
    assert of_day(*(f"{place}_percent" for place in places), told=told) == [30.0, 20.0, 20.0]
    # What the catalogue does not have comes last among equals.
    shorter = of_day(*places, told=told, order=("drafting",))
    assert shorter == ["litigation", "drafting", "contract_review"]


@pytest.mark.parametrize("period", PERIODS)
def test_retention_is_pooled_over_thirty_cohorts_that_are_over(period: str) -> None:
    last = PERIODS[period][1]
    retention = cells(
        *(
            {"date": before(ago), "period": period, "cohort_size": 10, "retained": 3}
            for ago in range(last - 1, last + 32)
        )
    )
    names = [f"{period}_{name}" for name in ("users", "retained", "retention")]
    assert of_day(*names, retention=retention) == [300, 90, 30.0]


def test_many_days_at_once_are_what_each_gives_alone() -> None:
    given: dict[str, Any] = {
        "people": steps(
            *({"user_id": f"u{ago}", "signed_up_date": before(ago)} for ago in range(0, 90, 4))
        ),
        "used": user_rows(
            *(
                {
                    "date": before(ago),
                    "user_id": f"u{ago % 8}",
                    "session_seconds": 61 * ago,
                    "attempts": 2,
                    "failures": ago % 2,
                }
                for ago in range(90)
            )
        ),
        "conversations": conversation_rows(
            *(
                {"date": before(ago), "conversation_id": f"c{ago % 9}", "completions": ago % 6 == 0}
                for ago in range(90)
            )
        ),
        "exhausted": exhaustions(*({"date": before(ago)} for ago in range(0, 90, 5))),
        "retention": cells(
            *(
                {"date": before(ago), "period": period, "cohort_size": 2, "retained": ago % 2}
                for ago in range(110)
                for period in PERIODS
            )
        ),
        "told": cases(
            *(
                {"date": before(ago), "use_case": name, "conversations": 1 + ago % (2 + place)}
                for ago in range(90)
                for place, name in enumerate(ORDER)
            )
        ),
        "covered": days_to(20),
    }
    days = days_to(32)
    together = shown(**given, days=days)
    assert [row["date"] for row in together] == days
    for place in (0, 14, 15, 31):
        assert shown(**given, days=[days[place]]) == [together[place]]
