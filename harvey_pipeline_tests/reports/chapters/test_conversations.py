"""The chapter of the conversations, over rows made by hand."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import dataframely as dy
import pytest
import vl_convert

from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS as CONVERSATION_ROWS
from harvey_pipeline.conversations.tables.conversations import INTENTS
from harvey_pipeline.conversations.tables.marts import (
    ACTIVATION_FUNNEL,
    FAILURE_POINTS,
    PMF_DASHBOARD,
    PMF_SIGNALS,
    RETENTION,
    TOOL_USAGE,
    USE_CASES,
)
from harvey_pipeline.conversations.tables.users import CREDIT_EXHAUSTION
from harvey_pipeline.reports.chapters.conversations import CONVERSATIONS
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Chapter, Chart, Grid, Link, Tiles
from harvey_pipeline.warehouse import columns
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline_tests.reports.chapters.walking import (
    assert_cells_hold,
    assert_charts_draw,
    charts_in,
    column_of,
    grid_of,
    missing_in,
    sentences_of,
)
from harvey_pipeline_tests.reports.warehouses import figures_over

DAY = date(2024, 3, 31)
"""A Sunday."""

Rows = Sequence[Mapping[str, Any]]


class Volumes(dy.Schema):
    """What the report reads of `marts.daily_event_summary`."""

    date = columns.day("Day.", key=True)
    is_covered = columns.flag("Whether it was delivered.")
    is_volume_usual = columns.flag("Whether it is no cut-off day.")


VOLUMES = Table("marts.daily_event_summary", Volumes, "date")


def back(days: int) -> date:
    return DAY - timedelta(days=days)


def boards(**changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The dashboard of 91 days, all alike but for what is told of `day_<days back>`."""
    row = {
        "is_covered": True,
        "dau": 3,
        "wau": 10,
        "mau": 40,
        "stickiness": 7.5,
        "completion_rate": 80.0,
        "avg_satisfaction": 6.0,
        "error_rate": 10.0,
        "exhausted_users_30d": 2,
        "day_7_retention": 25.0,
        "average_session_length": 5.0,
    }
    return [{**row, "date": back(days), **changes.get(f"day_{days}", {})} for days in range(91)]


def funnel(cohort: str, *steps: int, **others: int) -> dict[str, Any]:
    names = ("total_users", "first_chat", "used_tool", "created_content", "exhausted_credits")
    row: dict[str, Any] = dict(zip(names, steps, strict=True)) | others
    for before, step in pairwise(names):
        row[f"{step}_rate"] = 100 * row[step] / row[before] if row[before] else None
    return {"date": DAY, "cohort": cohort, **row}


def use_case(name: str, conversations: int, share: float) -> dict[str, Any]:
    return {
        "date": DAY,
        "use_case": name,
        "conversations": conversations,
        "users": conversations,
        "share_percent": share,
        "completion_rate": 50.0,
        "avg_satisfaction": 5.5,
    }


def failure(tool: str, error: str, count: int, users: int, *, repeated: bool) -> dict[str, Any]:
    return {
        "date": DAY,
        "tool_name": tool,
        "error_type": error,
        "failure_count_30d": count,
        "affected_users_30d": users,
        "days_30d": 3 if repeated else 1,
        "is_repeated": repeated,
    }


def signal(
    name: str,
    kind: str,
    value: float | None,
    threshold: float,
    met: bool | None,
    *,
    reliable: bool = True,
    day: date = DAY,
) -> dict[str, Any]:
    return {
        "date": day,
        "signal": name,
        "kind": kind,
        "value": value,
        "threshold": threshold,
        "is_met": met,
        "is_reliable": reliable,
    }


def cohort(day: date, period: str, size: int, retained: int | None) -> dict[str, Any]:
    rate = None if retained is None or not size else 100 * retained / size
    return {
        "date": day,
        "period": period,
        "cohort_size": size,
        "retained": retained,
        "retention_rate": rate,
    }


def conversation(place: int, cluster: str, status: str, satisfaction: int) -> Any:
    key = {"date": back(place), "conversation_id": f"c{place}", "user_id": f"u{place}"}
    return (
        {**key, "cluster": cluster, "satisfaction_signal": satisfaction},
        {**key, "completion_status": status},
    )


INTENT_ROWS, CONVERSATION_OF_INTENTS = zip(
    conversation(0, "find/legal_research", "completed", 8),
    conversation(1, "find/legal_research", "abandoned", 5),
    conversation(29, "create/drafting", "completed", 7),
    conversation(30, "create/drafting", "completed", 7),
    strict=True,
)


FILLED: dict[Table, Rows] = {
    PMF_DASHBOARD: boards(
        day_0={
            "mau": 46,
            "completion_rate": 82.5,
            "avg_satisfaction": None,
            "top_use_case_1": "legal_research",
            "top_use_case_1_percent": 60.0,
            "top_use_case_2": "drafting",
            "top_use_case_2_percent": 30.0,
        },
        day_7={"mau": 46, "error_rate": 12.25},
    ),
    ACTIVATION_FUNNEL: [
        funnel("all", 60, 57, 55, 29, 5, day_1_active=28, successful_users=50, high_usage=1),
        funnel("30d", 1, 1, 0, 0, 0),
    ],
    USE_CASES: [use_case("legal_research", 12, 60.0), use_case("drafting", 8, 40.0)],
    FAILURE_POINTS: [
        failure("case_search", "timeout after # s", 4, 2, repeated=True),
        failure("none", "file format", 1, 1, repeated=False),
    ],
    PMF_SIGNALS: [
        signal("organic_sharing", "strong", 13.75, 5, True),
        signal("day_7_retention", "strong", 50.0, 40, True, reliable=False),
        signal("no_credit_exhaustion", "weak", 5.0, 0, False),
        signal("short_conversations", "weak", 3.25, 5, True),
        signal("repeated_blockers", "pivot", 1.0, 0, True),
        signal("use_case_mismatch", "pivot", None, 50, None),
        signal("organic_sharing", "strong", 4.0, 5, False, day=back(7)),
        signal("short_conversations", "weak", 3.0, 5, True, day=back(7)),
        signal("repeated_blockers", "pivot", 0.0, 0, False, reliable=False, day=back(7)),
    ],
    RETENTION: [
        # The week of Monday 11 March: day 7 is over for all, day 30 for nobody.
        cohort(date(2024, 3, 11), "day_7", 3, 1),
        cohort(date(2024, 3, 13), "day_7", 1, 1),
        cohort(date(2024, 3, 11), "week_1", 3, 2),
        cohort(date(2024, 3, 11), "day_30", 3, None),
        # Known only because more days were run since.
        cohort(date(2024, 3, 25), "day_7", 4, 4),
        cohort(date(2024, 3, 25), "day_1", 4, 1),
        # Too old, of no user, and not delivered.
        cohort(date(2023, 12, 20), "day_7", 9, 9),
        cohort(date(2024, 3, 12), "day_7", 0, 0),
        cohort(date(2024, 3, 14), "day_7", 5, None),
    ],
    TOOL_USAGE: [
        {
            "date": DAY,
            "tool_name": "case_search",
            "calls_30d": 1200,
            "users_30d": 30,
            "success_rate_30d": 95.5,
            "calls": 40,
        },
        {"date": DAY, "tool_name": "unknown", "calls_30d": 1, "users_30d": 1},
    ],
    CREDIT_EXHAUSTION: [
        {
            "date": back(days),
            "user_id": user,
            "credits_used_month": 100 + days,
            "credit_limit": 100,
            "is_exhausted": exhausted,
        }
        for user, days, exhausted in (
            ("u1", 3, True),
            ("u1", 2, True),
            ("u2", 0, True),
            ("u3", 1, False),
            ("u4", 30, True),
        )
    ],
    INTENTS: INTENT_ROWS,
    CONVERSATION_ROWS: CONVERSATION_OF_INTENTS,
}

EMPTY: dict[Table, Rows] = {table: boards() if table is PMF_DASHBOARD else () for table in FILLED}


def made(changes: Mapping[Table, Rows] | None = None, day: date = DAY) -> tuple[Figures, Chapter]:
    figures = figures_over({**FILLED, **(changes or {})}, day)
    return figures, CONVERSATIONS.make(figures)


def test_every_block_over_rows_that_are_all_there() -> None:
    figures, chapter = made()
    assert not chapter.absent
    assert "the 30 days to 2024-03-31" in chapter.lead
    assert "Later days" not in chapter.lead
    assert missing_in(chapter) == {}
    assert_cells_hold(figures, chapter)
    assert_charts_draw(chapter)


def test_headline_figures_are_those_of_the_day_with_their_changes() -> None:
    _, chapter = made()
    [tiles] = [block for block in chapter.blocks if isinstance(block, Tiles)]
    told = {tile.label: (str(tile.figure), *tile.changes) for tile in tiles.tiles}
    assert told["Users in 30 days"] == ("46", "no change in 7 days", "+6 (+15.0 %) in 30 days")
    assert told["Completed conversations"] == (
        "82.5 %",
        "+2.5 points in 7 days",
        "+2.5 points in 30 days",
    )
    assert told["Failed attempts"] == ("10.0 %", "-2.2 points in 7 days", "no change in 30 days")
    assert told["Satisfaction, of 10"] == ("–",)
    assert all(tile.sparkline for tile in tiles.tiles)


@pytest.mark.parametrize(
    ("days_run", "in_30", "in_7"),
    [
        (36, (), ("no change in 7 days",)),
        (37, ("no change in 7 days",), ("no change in 7 days", "no change in 30 days")),
    ],
)
def test_a_change_needs_a_window_that_had_not_just_begun(
    days_run: int, in_30: tuple[str, ...], in_7: tuple[str, ...]
) -> None:
    """The 30 days that end 7 days before, and the 7 that end 30 before, begin 36 days back."""
    _, chapter = made({PMF_DASHBOARD: boards()[:days_run]})
    [tiles] = [block for block in chapter.blocks if isinstance(block, Tiles)]
    told = {tile.label: tile.changes for tile in tiles.tiles}
    assert told["Users in 30 days"] == in_30
    assert told["Users in 7 days"] == in_7
    # Of signing up 36 days before, so 44 days would have to be there.
    assert told["Back on day 7"] == ()


def test_findings_are_computed_sentences() -> None:
    _, chapter = made()
    assert [chart.finding for chart in charts_in(chapter)] == [
        "Users in 30 days rose from 40 to 46 (+15.0 %) in 30 days",
        "29 of all 60 users have created content; most were lost between “used a tool” and "
        "“created content”: 26 of 55",
        "0 of 1 new user has created content; most were lost between “wrote a message” and “used "
        "a tool”: 1 of 1",
        "Most frequent of 2 use cases: legal research, 12 conversations (60.0 %)",
        "5 failures in 30 days; most often timeout after # s (case search): 4 times, 2 users; 1 "
        "of 2 failure points keeps coming back",
        "2 of 3 users (66.7 %) came back in week 1 after signing up",
    ]


def test_what_is_said_in_short() -> None:
    _, chapter = made()
    assert sentences_of(chapter, "In short") == [
        "46 users were active in the 30 days to 2024-03-31: +6 (+15.0 %) in 30 days.",
        "Conversations are most often about legal research (60.0 %) and drafting (30.0 %).",
        "1 of 2 signs that the product fits its market is met.",
        "1 of 2 signs that it does not fit is met.",
        "1 of 2 signs that it should change is met.",
        "The sign “organic sharing” is now met: it says that the product fits its market.",
    ]
    evidence = {
        statement.sentence: statement.evidence
        for block in chapter.blocks
        for statement in getattr(block, "statements", ())
    }
    assert list(evidence.values()) == [
        "82.5 % of their conversations were completed and 10.0 % of their attempts failed.",
        "Share of all conversations of the 30 days with a use case.",
        "organic sharing 13.8 %; not counted, for too little is known: day 7 retention.",
        "short conversations 3.2 messages a conversation.",
        "repeated blockers 1 failure point; not counted, for too little is known: use case "
        "mismatch.",
        "4.0 % on 2024-03-24, 13.8 % on 2024-03-31.",
    ]


def test_signals_stand_in_their_own_units() -> None:
    _, chapter = made()
    grid = grid_of(
        chapter, "Signals of market fit: 4 of 6 met, 3 of them on enough users or conversations"
    )
    told = list(
        zip(
            *(column_of(grid, name) for name in ("Signal", "Met", "Value", "Met if", "Threshold")),
            strict=True,
        )
    )
    assert told == [
        ("day 7 retention", "yes", "50.0 %", "above", "40.0 %"),
        ("organic sharing", "yes", "13.8 %", "above", "5.0 %"),
        ("no credit exhaustion", "no", "5", "equal to", "0"),
        ("short conversations", "yes", "3.2", "below", "5.0"),
        ("repeated blockers", "yes", "1", "above", "0"),
        ("use case mismatch", "–", "–", "above", "50.0 %"),
    ]
    assert column_of(grid, "Reliable") == ["no", "yes", "yes", "yes", "yes", "yes"]


def test_the_funnel_in_figures() -> None:
    _, chapter = made()
    grid = grid_of(chapter, "The journey in figures")
    assert column_of(grid, "All users") == ["60", "57", "55", "29", "5", "28", "50", "1"]
    assert column_of(grid, "All users, of the step before")[:5] == [
        "None",
        "95.0 %",
        "96.5 %",
        "52.7 %",
        "17.2 %",
    ]
    assert column_of(grid, "New users, of the step before")[1:5] == ["100.0 %", "0.0 %", "–", "–"]


def rows_of(chapter: Chapter, beginning: str) -> list[dict[str, Any]]:
    """The rows of the one chart whose finding begins so."""
    [chart] = [one for one in charts_in(chapter) if one.finding.startswith(beginning)]
    rows: list[dict[str, Any]] = chart.spec["datasets"]["rows"]
    return rows


def test_steps_of_the_journey_carry_their_counts_and_rates() -> None:
    _, chapter = made()
    rows = rows_of(chapter, "29 of all")
    assert [(row["step"], row["users"], row["below"], row["rate"]) for row in rows] == [
        ("signed up", 60, "all users", ""),
        ("wrote a message", 57, "95.0 %", "95.0 % of those who signed up"),
        ("used a tool", 55, "96.5 %", "96.5 % of those who wrote a message"),
        ("created content", 29, "52.7 %", "52.7 % of those who used a tool"),
        ("exhausted credits", 5, "17.2 %", "17.2 % of those who created content"),
    ]
    assert rows_of(chapter, "0 of 1 new user")[3]["rate"] == "nobody used a tool"


def test_retention_pools_weeks_of_what_is_over_on_the_day() -> None:
    """Of the week of the 11th day 7 is over for 4 users, week 1 (to the 24th) for 3."""
    _, chapter = made()
    rows = rows_of(chapter, "2 of 3 users")
    told = {
        (row["week"], row["period"]): (row["retained"], row["users"], row["label"]) for row in rows
    }
    assert told == {
        ("2024-03-11", "day 7"): (2, 4, "50 %"),
        ("2024-03-11", "week 1"): (2, 3, "67 %"),
        ("2024-03-25", "day 1"): (1, 4, "25 %"),
    }


def test_what_users_want_is_of_the_30_days() -> None:
    _, chapter = made()
    grid = grid_of(
        chapter, "What users want: 2 kinds of request in 3 conversations that began in 30 days"
    )
    assert column_of(grid, "Wish") == ["find: legal research", "create: drafting"]
    assert column_of(grid, "Conversations") == ["2", "1"]
    assert column_of(grid, "Completed") == ["50.0 %", "100.0 %"]
    assert column_of(grid, "Satisfaction, of 10") == ["6.5", "7.0"]


def test_users_out_of_credits_link_to_their_pages() -> None:
    _, chapter = made()
    grid = grid_of(chapter, "2 users ran out of credits in 30 days")
    assert [row[0] for row in grid.rows] == [Link("u1", "user", "u1"), Link("u2", "user", "u2")]
    assert column_of(grid, "Days") == ["2", "1"]
    assert column_of(grid, "Last on") == ["2024-03-29", "2024-03-31"]
    assert column_of(grid, "Credits of the month") == ["102", "100"]


def test_tools() -> None:
    _, chapter = made()
    grid = grid_of(chapter, "Tools: 1,201 calls of 2 tools in 30 days")
    assert column_of(grid, "Tool") == ["case search", "unknown"]
    assert column_of(grid, "Successful") == ["95.5 %", "–"]


def test_blocks_without_rows_say_so() -> None:
    figures, chapter = made(EMPTY)
    assert_cells_hold(figures, chapter)
    assert_charts_draw(chapter)
    assert [chart.finding for chart in charts_in(chapter)] == [
        "Users in 30 days stayed at 40 in 30 days"
    ]
    assert missing_in(chapter) == {
        "Journey of all users": "No data for the journey of all users: nobody yet.",
        "Journey of new users": "No data for the journey of new users: nobody yet.",
        "Use cases": "No data for use cases: no user wrote a message in the 30 days to 2024-03-31.",
        "What users want": "No data for what users want: no conversation began in the 30 days to "
        "2024-03-31.",
        "Failure points": "No data for failure points: nothing failed in the 30 days to "
        "2024-03-31.",
        "Market fit": "No data for signals of market fit: none of 2024-03-31.",
        "Retention": "No data for retention: nobody signed up so long ago that a day or week after "
        "it is over and delivered by 2024-03-31.",
        "Tools": "No data for tools: none was called in the 30 days to 2024-03-31.",
        "Out of credits": "No data for users out of credits: nobody was in the 30 days to "
        "2024-03-31.",
    }


def test_retention_that_is_all_of_the_future_is_missing() -> None:
    _, chapter = made({RETENTION: [cohort(DAY, "day_1", 4, 4), cohort(back(6), "day_7", 4, 1)]})
    assert list(missing_in(chapter)) == ["Retention"]


def test_retention_of_zero_percent_draws() -> None:
    _, chapter = made({RETENTION: [cohort(back(1), "day_1", 1, 0)]})
    [retention] = rows_of(chapter, "0 of 1 user (0.0 %) came back in day 1")
    assert retention["label"] == "0 %"
    assert_charts_draw(chapter)


def test_one_of_each_is_told_in_the_singular() -> None:
    _, chapter = made(
        {
            PMF_DASHBOARD: boards(day_0={"mau": 1}, day_30={"mau": 0}),
            ACTIVATION_FUNNEL: [funnel("all", 1, 1, 1, 1, 0)],
            USE_CASES: [use_case("other", 1, 100.0)],
            FAILURE_POINTS: [failure("none", "unknown", 1, 1, repeated=False)],
            TOOL_USAGE: [FILLED[TOOL_USAGE][1]],
            CREDIT_EXHAUSTION: FILLED[CREDIT_EXHAUSTION][2:3],
        }
    )
    assert [chart.finding for chart in charts_in(chapter)][:4] == [
        "Users in 30 days rose from 0 to 1 in 30 days",
        "1 of all 1 user has created content; nobody was lost on the way",
        "All conversations are about other: 1 conversation",
        "1 failure in 30 days; most often unknown (no tool): 1 time, 1 user",
    ]
    assert sentences_of(chapter, "In short")[0] == (
        "1 user was active in the 30 days to 2024-03-31: +1 in 30 days."
    )
    titles = [block.title for block in chapter.blocks if isinstance(block, Grid)]
    assert "Tools: 1 call of 1 tool in 30 days" in titles
    assert "1 user ran out of credits in 30 days" in titles
    assert "Failure points: 1 in 30 days, 0 repeated" in titles


def test_use_cases_that_are_equally_frequent_share_the_title() -> None:
    _, chapter = made({USE_CASES: [use_case("a", 5, 50.0), use_case("b", 5, 50.0)]})
    assert "Most frequent of 2 use cases: a and b, 5 conversations (50.0 %) each" in [
        chart.finding for chart in charts_in(chapter)
    ]


def test_days_that_were_not_delivered_are_grey_and_named() -> None:
    """The last day was not: the figures are of the day before, and compared with days before it."""
    uncovered = {"is_covered": False, "dau": 0, "mau": 44}
    figures, chapter = made(
        {
            PMF_DASHBOARD: boards(day_0=uncovered, day_3=uncovered, day_1={"mau": 45}),
            ACTIVATION_FUNNEL: [{**row, "date": back(1)} for row in FILLED[ACTIVATION_FUNNEL]],
        }
    )
    assert_cells_hold(figures, chapter)
    assert_charts_draw(chapter)
    assert "the 30 days to 2024-03-30. Later days were not delivered" in chapter.lead
    [users] = [one for one in charts_in(chapter) if one.finding.startswith("Users in 30 days")]
    assert users.finding == "Users in 30 days rose from 40 to 45 (+12.5 %) in 30 days"
    assert users.note == "2 days are grey: not delivered, or of an unusual volume."
    bands = users.spec["datasets"][users.spec["layer"][0]["data"]["name"]]
    assert [(band["date"][:10], band["reason"]) for band in bands] == [
        ("2024-03-28", "not delivered"),
        ("2024-03-31", "not delivered"),
    ]
    by_day = {
        row["date"][:10]: row["users"]
        for row in users.spec["datasets"]["rows"]
        if row["span"] == "on the day"
    }
    assert by_day["2024-03-31"] is None
    assert by_day["2024-03-30"] == 3
    assert "1 of the 30 days was not delivered: the figures are too low." in sentences_of(
        chapter, "In short"
    )


def test_a_cut_off_day_of_the_events_is_no_headline_day() -> None:
    days = [{"date": back(n), "is_covered": True, "is_volume_usual": n > 0} for n in range(3)]
    _, chapter = made({VOLUMES: days, PMF_DASHBOARD: boards(day_1={"mau": 45})})
    assert "the 30 days to 2024-03-30" in chapter.lead
    [users] = [one for one in charts_in(chapter) if one.finding.startswith("Users in 30 days")]
    assert users.note == "1 day is grey: not delivered, or of an unusual volume."


def test_the_first_days_of_a_warehouse_are_told_as_such() -> None:
    figures, chapter = made({PMF_DASHBOARD: boards()[:1]})
    assert_cells_hold(figures, chapter)
    assert_charts_draw(chapter)
    assert charts_in(chapter)[0].finding == "40 users in the 30 days to 2024-03-31"
    assert "The 30 days are not full: the first day that was run is 2024-03-31." in sentences_of(
        chapter, "In short"
    )


@pytest.mark.parametrize("table", [RETENTION, CREDIT_EXHAUSTION])
def test_a_missing_table_leaves_the_chapter_out(table: Table) -> None:
    figures = figures_over({one: rows for one, rows in FILLED.items() if one is not table}, DAY)
    chapter = CONVERSATIONS.make(figures)
    assert chapter.absent == f"No data for conversations: there is no table {table}."
    assert chapter.blocks == ()


def test_days_without_any_delivery_leave_the_chapter_out() -> None:
    uncovered = [{**row, "is_covered": False} for row in boards()]
    for rows in ((), uncovered, [{**boards()[0], "date": back(91)}], [{"date": back(-1)}]):
        _, chapter = made({PMF_DASHBOARD: rows})
        assert chapter.absent.startswith(
            "No data for conversations: nothing was delivered in the 91 days to 2024-03-31."
        )
        assert chapter.blocks == ()


HOSTILE = (
    "<script>alert(1)</script>",
    "'; drop table conversations.conversations; --",
    '"]}] {{ 7 * 7 }} \\ \u2028 datum.x',
    "\u202eevil\u202c \u0645\u0631\u062d\u0628\u0627",
    "x" * 3_000,
)


def test_hostile_names_are_values_and_nothing_else() -> None:
    figures, chapter = made(
        {
            USE_CASES: [use_case(name, 5, 20.0) for name in HOSTILE],
            FAILURE_POINTS: [failure(name, name, 5, 2, repeated=True) for name in HOSTILE],
            TOOL_USAGE: [{"date": DAY, "tool_name": name, "calls_30d": 1} for name in HOSTILE],
            INTENTS: [{**INTENT_ROWS[0], "cluster": f"find/{HOSTILE[0]}"}],
            CREDIT_EXHAUSTION: [
                {**row, "user_id": name}
                for row, name in zip(FILLED[CREDIT_EXHAUSTION], HOSTILE, strict=True)
            ],
        }
    )
    assert_cells_hold(figures, chapter)
    assert_charts_draw(chapter)
    for chart in charts_in(chapter):
        assert len(chart.finding) < 400
        assert "\u202e" not in chart.finding
        assert_only_in_data(chart, "alert(1)", "drop table", "7 * 7", "evil", "xxxx")


def assert_only_in_data(chart: Chart, *parts: str) -> None:
    """No expression, title or name of the compiled chart holds a name: only its rows do."""
    compiled = vl_convert.vegalite_to_vega(json.dumps(chart.spec))
    for data in compiled["data"]:
        data.pop("values", None)
    for scale in compiled["scales"]:
        if isinstance(scale["domain"], list):
            scale.pop("domain")
    told = json.dumps(compiled, ensure_ascii=False)
    assert [part for part in parts if part in told] == []


def test_labels_that_are_cut_to_the_same_stay_bars_of_their_own() -> None:
    names = ["x" * 100 + "1", "x" * 100 + "2"]
    _, chapter = made({USE_CASES: [use_case(name, 5, 50.0) for name in names]})
    rows = rows_of(chapter, "Most frequent of 2 use cases")
    assert len({row["use_case"] for row in rows}) == 2


def test_long_lists_are_cut_and_say_so() -> None:
    _, chapter = made(
        {
            FAILURE_POINTS: [failure("t", f"e{n:02}", 2, 1, repeated=n < 51) for n in range(53)],
            USE_CASES: [use_case(f"u{n:02}", 100 - n, 1.0) for n in range(17)],
        }
    )
    grid = grid_of(chapter, "Failure points: 53 in 30 days, 51 repeated")
    assert (len(grid.rows), grid.left_out, grid.is_searchable) == (50, 3, True)
    assert len(rows_of(chapter, "106 failures")) == 10
    [failures] = [one for one in charts_in(chapter) if one.finding.startswith("106 failures")]
    assert failures.note == "43 failure points with fewer failures left out here."
    assert failures.finding.endswith("51 of 53 failure points keep coming back")
    [cases] = [one for one in charts_in(chapter) if one.finding.startswith("Most frequent of 17")]
    assert cases.note == "2 use cases with fewer conversations left out."


def test_no_text_of_a_message_and_no_address_is_shown() -> None:
    _, chapter = made(
        {
            INTENTS: [
                {
                    **INTENT_ROWS[0],
                    "primary_intent": "my secret wish",
                    "feature_requests": ["my secret request"],
                    "blockers": ["my secret blocker"],
                }
            ],
            CONVERSATION_ROWS: [
                {**CONVERSATION_OF_INTENTS[0], "first_intent": "my secret, me@example.com"}
            ],
        }
    )
    assert "What users want: 1 kind of request in 1 conversation that began in 30 days" in [
        block.title for block in chapter.blocks if isinstance(block, Grid)
    ]
    assert "secret" not in repr(chapter)
    assert "@" not in repr(chapter)
