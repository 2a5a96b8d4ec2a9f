from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import POWER_USER_TIERS
from harvey_pipeline.reports.chapters.users import USERS
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Chapter, Chart, Grid, Link
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline_tests.reports.chapters.walking import (
    assert_cells_hold,
    assert_charts_draw,
    charts_in,
    column_of,
    grid_of,
    missing_in,
)
from harvey_pipeline_tests.reports.warehouses import figures_over

DASHBOARD = TABLES["marts.harvey_analytics_dashboard"]
SUMMARY = TABLES["marts.daily_event_summary"]
ENGAGEMENT = TABLES["marts.daily_user_engagement"]
TIER_CHANGES = TABLES["marts.tier_changes"]
GROWTH = TABLES["marts.growth_accounting"]
ACTIVE = TABLES["marts.active_usage"]
CURVE = TABLES["marts.power_curve"]
COHORTS = TABLES["months.retention_cohorts"]

SUNDAY = date(2024, 6, 30)
HOSTILE = "<script>alert(1)</script>'; drop table x; --"
POWER, HIGH, MEDIUM, LOW, INACTIVE = POWER_USER_TIERS

Rows = Sequence[Mapping[str, Any]]


def back(days: int) -> date:
    return SUNDAY - timedelta(days=days)


def of_day(days_back: int, **columns: Any) -> dict[str, Any]:
    """A covered day's row of the dashboard, or of the summary."""
    return {"date": back(days_back), "is_covered": True, **columns}


def figures_of(
    dashboard: Rows = (),
    summary: Rows = (),
    engagement: Rows = (),
    tier_changes: Rows = (),
    growth: Rows = (),
    active: Rows = (),
    curve: Rows = (),
    cohorts: Rows = (),
    *,
    without: Sequence[Table] = (),
    day: date = SUNDAY,
) -> Figures:
    tables = {
        DASHBOARD: dashboard or [of_day(0)],
        SUMMARY: summary or [of_day(days_back) for days_back in range(150)],
        ENGAGEMENT: engagement,
        TIER_CHANGES: tier_changes,
        GROWTH: growth,
        ACTIVE: active,
        CURVE: curve,
        COHORTS: cohorts,
    }
    return figures_over(
        {table: rows for table, rows in tables.items() if table not in without}, day
    )


def chart_of(chapter: Chapter, words: str) -> Chart:
    [chart] = [chart for chart in charts_in(chapter) if words in chart.finding]
    return chart


def rows_of(chart: Chart) -> list[dict[str, Any]]:
    return list(chart.spec["datasets"]["rows"])


# --- absence -------------------------------------------------------------------------------------


def test_without_a_row_of_the_day_the_chapter_is_absent() -> None:
    chapter = USERS.make(figures_of([of_day(1)]))
    assert chapter.absent == (
        "No data for users: marts.harvey_analytics_dashboard has no row of 2024-06-30."
    )
    assert not chapter.blocks


def test_a_day_without_anything_has_reasons_in_place_of_frames() -> None:
    chapter = USERS.make(figures_of())
    assert missing_in(chapter) == {
        "Scores": "No data for scores: nobody was active in the 30 days to 2024-06-30.",
        "Moves between tiers": "No data for moves between tiers: no user has a score on "
        "2024-05-31 and on 2024-06-30.",
        "Who moved most in 30 days": "No data for moves: nobody has another tier on 2024-06-30 "
        "than on 2024-05-31.",
        "Growth": "No data for growth: nobody was active in the 56 days to 2024-06-30.",
        "Retention": "No data for retention: no month is over by 2024-06-30.",
        "Days of activity": "No data for days of activity: nobody was active in the 28 days to "
        "2024-06-30.",
        "Stickiness": "No data for stickiness: nobody was active in the 30 days to 2024-06-30.",
        "Top power users": "No data for power users: nobody has a score of 80 or more on "
        "2024-06-30.",
    }
    [chart] = charts_in(chapter)
    assert chart.finding == "0 power users on 2024-06-30; there is no figure 30 days before"


def test_tables_that_were_not_computed_are_named() -> None:
    chapter = USERS.make(figures_of(without=[CURVE, COHORTS]))
    missing = missing_in(chapter)
    assert missing["Days of activity"] == (
        "No data for days of activity: marts.power_curve was not computed yet."
    )
    assert missing["Retention"] == (
        "No data for retention: months.retention_cohorts was not computed yet."
    )


# --- tiers ---------------------------------------------------------------------------------------


def test_tiers_over_time() -> None:
    dashboard = [of_day(days_back, power_users=3, low_value_users=2) for days_back in range(95)]
    dashboard[0] |= {"power_users": 5, "inactive_users": 7}
    dashboard[30] |= {"power_users": 4}
    summary = [of_day(days_back) for days_back in range(100)]
    summary[2] |= {"is_covered": False, "is_volume_usual": False}
    chart = chart_of(USERS.make(figures_of(dashboard, summary)), "Power users")
    assert chart.finding == "Power users rose from 4 to 5 (+25.0 %) in 30 days"
    rows = rows_of(chart)
    assert len(rows) == 90 * 5
    assert rows[0]["date"] == "2024-04-02T00:00:00"
    assert {row["tier"]: row["users"] for row in rows if row["date"][:10] == "2024-06-30"} == {
        POWER: 5,
        HIGH: 0,
        MEDIUM: 0,
        LOW: 2,
        INACTIVE: 7,
    }
    assert {row["date"][:10] for row in rows if row["opacity"] < 1} == {"2024-06-28"}
    # 2024-06-30 less 99 days is 2024-03-23, and 29 days later its 30 days are full.
    assert chart.note == (
        "1 day is grey: not delivered, or of an unusual volume. The data begins on 2024-03-23: "
        "figures before 2024-04-21 are of fewer than 30 days."
    )


def scored(user: str, score: int, tier: str, days_back: int = 0, **columns: Any) -> dict[str, Any]:
    return {
        "date": back(days_back),
        "user_id": user,
        "power_user_score": score,
        "power_user_tier": tier,
        "active_days": 1,
        **columns,
    }


def test_scores_by_bars_of_five_points() -> None:
    users = [
        scored("a", 100, POWER),
        scored("b", 95, POWER),
        scored("c", 80, POWER),
        scored("d", 79, HIGH),
        scored("e", 75, HIGH),
        scored("f", 74, HIGH),
        scored("g", 12, INACTIVE),
        scored("h", 0, INACTIVE, active_days=0),
        scored("i", 50, MEDIUM, days_back=1),
    ]
    chart = chart_of(USERS.make(figures_of(engagement=users)), "median")
    # Of seven active users three are at 80 or more; in order 12, 74, 75, 79, 80, 95, 100.
    assert chart.finding == (
        "3 of 7 active users (42.9 %) are power users, 2 more are within 5 points of it; the "
        "median score is 79"
    )
    assert [(row["points"], row["tier"], row["users"]) for row in rows_of(chart)] == [
        ("10 to 14", INACTIVE, 1),
        ("70 to 74", HIGH, 1),
        ("75 to 79", HIGH, 2),
        ("80 to 84", POWER, 1),
        ("95 to 100", POWER, 2),
    ]


def test_a_single_score() -> None:
    users = [scored("a", 80, POWER), scored("b", 75, HIGH)]
    chart = chart_of(USERS.make(figures_of(engagement=users)), "median")
    assert chart.finding == (
        "1 of 2 active users (50.0 %) is a power user, 1 more is within 5 points of it; the "
        "median score is 77.5"
    )


# --- moves ---------------------------------------------------------------------------------------


def moving(user: str, before: str, now: str) -> list[dict[str, Any]]:
    return [scored(user, 0, before, days_back=30), scored(user, 0, now)]


def test_the_flow_of_tiers() -> None:
    users = [
        *moving("a", HIGH, POWER),
        *moving("b", LOW, POWER),
        *moving("c", POWER, INACTIVE),
        *moving("d", LOW, LOW),
        *moving("e", LOW, LOW),
        scored("new", 90, POWER),
        scored("gone", 90, POWER, days_back=30),
    ]
    chart = chart_of(USERS.make(figures_of(engagement=users)), "moved up a tier")
    assert chart.finding == (
        "2 of 5 users moved up a tier in 30 days and 1 down; 2 became power users, 1 no longer is "
        "one"
    )
    rows = rows_of(chart)
    ribbons = {(row["tier"], row["now"]): row["users"] for row in rows if row["part"] == "ribbon"}
    assert ribbons == {
        (HIGH, POWER): 1,
        (LOW, POWER): 1,
        (POWER, INACTIVE): 1,
        (LOW, LOW): 2,
    }
    ends = [(row["tier"], row["users"], row["x"] < 0.5) for row in rows if row["part"] == "end"]
    assert sorted(ends) == sorted(
        [
            (POWER, 1, True),
            (HIGH, 1, True),
            (LOW, 3, True),
            (POWER, 2, False),
            (LOW, 2, False),
            (INACTIVE, 1, False),
        ]
    )


def test_ribbons_fill_their_tiers_and_do_not_overlap() -> None:
    users = [*moving("a", HIGH, POWER), *moving("b", HIGH, HIGH), *moving("c", LOW, HIGH)]
    rows = rows_of(chart_of(USERS.make(figures_of(engagement=users)), "moved up a tier"))
    for at, side, is_left in ((0.02, "tier", True), (0.98, "now", False)):
        ends = {
            row["tier"]: (row["low"], row["high"])
            for row in rows
            if row["part"] == "end" and (row["x"] < 0.5) == is_left
        }
        for tier, (low, high) in ends.items():
            parts = sorted(
                (row["low"], row["high"])
                for row in rows
                if row["part"] == "ribbon" and row[side] == tier and row["x"] == pytest.approx(at)
            )
            assert parts[0][0] == pytest.approx(low)
            assert parts[-1][1] == pytest.approx(high)
            for (_, end), (begin, _) in pairwise(parts):
                assert begin == pytest.approx(end)


def test_movers_of_power_users_come_first() -> None:
    def change(user: str, before: str, now: str, scores: tuple[int, int], **columns: Any) -> Any:
        return {
            "date": SUNDAY,
            "user_id": user,
            "firm_id": "f",
            "tier_before": before,
            "tier_now": now,
            "direction": "up" if scores[1] > scores[0] else "down",
            "score_before": scores[0],
            "score_now": scores[1],
            "main_component": "active_days_weight",
            **columns,
        }

    changes = [
        change("far", INACTIVE, HIGH, (10, 70)),
        change("lost", POWER, HIGH, (80, 79)),
        change("fell", HIGH, INACTIVE, (75, 5)),
        change(
            HOSTILE,
            HIGH,
            POWER,
            (70, 82),
            firm_id=None,
            main_component="document_volume_weight",
            document_volume_weight_before=60,
            document_volume_weight_now=100,
            measure_before=47,
            measure_now=101,
        ),
        change("near b", LOW, MEDIUM, (39, 40)),
        change("near a", LOW, MEDIUM, (39, 40)),
        change("earlier", POWER, INACTIVE, (90, 0)) | {"date": back(1)},
    ]
    figures = figures_of(tier_changes=changes)
    chapter = USERS.make(figures)
    grid = grid_of(chapter, "Who moved most in 30 days")
    assert column_of(grid, "User") == [HOSTILE, "lost", "fell", "far", "near a", "near b"]
    assert grid.rows[0][0] == Link(HOSTILE, "user", HOSTILE)
    assert grid.rows[0][1] is None
    assert grid.rows[1][1] == Link("f", "firm", "f")
    assert [str(entry) for entry in grid.rows[0][2:9]] == [
        HIGH,
        POWER,
        "70",
        "82",
        "documents",
        "47",
        "101",
    ]
    assert "documents went from 47 to 101" in str(grid.rows[0][9])
    assert grid.left_out == 0
    assert_cells_hold(figures, chapter)


def test_grids_end_after_50_rows() -> None:
    changes = [
        {
            "date": SUNDAY,
            "user_id": f"u{number:02}",
            "tier_before": LOW,
            "tier_now": MEDIUM,
            "direction": "up",
            "score_now": number,
        }
        for number in range(53)
    ]
    users = [scored(f"u{number:02}", 80, POWER, total_queries=number) for number in range(51)]
    chapter = USERS.make(figures_of(engagement=users, tier_changes=changes))
    movers, top = (
        grid_of(chapter, title) for title in ("Who moved most in 30 days", "Top power users")
    )
    assert (len(movers.rows), movers.left_out) == (50, 3)
    assert column_of(movers, "User")[0] == "u52"
    assert (len(top.rows), top.left_out) == (50, 1)
    assert column_of(top, "User")[0] == "u50"


def test_top_power_users() -> None:
    users = [
        scored("b", 84, POWER, user_role="Partner", firm_id=HOSTILE, active_days_weight=60),
        scored("a", 84, POWER),
        scored("most", 84, POWER, total_queries=9),
        scored("best", 100, POWER),
        scored("high", 79, HIGH),
        scored("before", 100, POWER, days_back=30),
    ]
    figures = figures_of(engagement=users)
    chapter = USERS.make(figures)
    grid = grid_of(chapter, "Top power users")
    assert column_of(grid, "User") == ["best", "most", "a", "b"]
    assert column_of(grid, "Role") == ["–", "–", "–", "Partner"]
    assert grid.rows[3][2] == Link(HOSTILE, "firm", HOSTILE)
    assert column_of(grid, "Score") == ["100", "84", "84", "84"]
    assert column_of(grid, "Active days")[3] == "60"
    assert_cells_hold(figures, chapter)


# --- growth, retention, activity -----------------------------------------------------------------


def grown(days_back: int, new: int, resurrected: int, churned: int, **columns: Any) -> Any:
    ratio = (new + resurrected) / churned if churned else None
    return {
        "date": back(days_back),
        "grain": "user",
        "active": 10,
        "previous_active": 10,
        "new": new,
        "resurrected": resurrected,
        "churned": churned,
        "quick_ratio": ratio,
        **columns,
    }


def test_growth_a_bar_a_week_without_those_of_a_short_history() -> None:
    growth = [grown(days_back, 3, 1, 5) for days_back in range(20)]
    growth += [grown(days_back, 99, 0, 0, is_history_short=True) for days_back in (21, 28)]
    growth += [grown(0, 50, 50, 1, grain="firm")]
    chart = chart_of(USERS.make(figures_of(growth=growth)), "quick ratio")
    assert chart.finding == (
        "Who came, 4 users in 28 days (3 new, 1 returned), falls short of who left, 5: quick "
        "ratio 0.80"
    )
    rows = rows_of(chart)
    assert sorted({row["date"][:10] for row in rows}) == ["2024-06-16", "2024-06-23", "2024-06-30"]
    last = {
        row["kind"]: (row["low"], row["high"], row["users"])
        for row in rows
        if row["date"][:10] == "2024-06-30"
    }
    assert last == {"new": (0, 3, 3), "resurrected": (3, 4, 1), "churned": (-5, 0, 5)}
    assert "first seen in 2 more bars, left out" in chart.note


def test_growth_of_a_history_that_is_short_throughout() -> None:
    chart = chart_of(
        USERS.make(figures_of(growth=[grown(0, 1, 0, 0, is_history_short=True)])), "quick ratio"
    )
    assert chart.finding == (
        "Who came, 1 user in 28 days (1 new, 0 returned), outweighs who left, 0: nobody left, so "
        "that there is no quick ratio"
    )
    assert "in all bars" in chart.note


def test_growth_that_is_even() -> None:
    chart = chart_of(USERS.make(figures_of(growth=[grown(0, 1, 1, 2)])), "quick ratio")
    assert "equals who left, 2: quick ratio 1.00" in chart.finding
    assert chart.note == ""


def cohort(month: int, since: int, size: int, retained: int | None, **columns: Any) -> Any:
    return {
        "grain": "user",
        "cohort_month": date(2024, month, 1),
        "months_since": since,
        "activity_month": date(2024, month + since, 1),
        "cohort_size": size,
        "retained": retained,
        "retention_rate": None if retained is None else 100 * retained / size,
        "is_complete": retained is not None,
        **columns,
    }


def test_retention_of_months_that_are_over() -> None:
    cohorts = [
        cohort(3, 0, 100, 100, is_first_month=True),
        cohort(3, 1, 100, 90, is_first_month=True),
        cohort(4, 0, 8, 8),
        cohort(4, 1, 8, 4),
        cohort(5, 1, 12, 11),
        # June ends with the report's day, July is later than it, August is not over.
        cohort(6, 0, 3, 3),
        cohort(6, 1, 3, 2),
        cohort(6, 2, 3, None),
        cohort(5, 0, 6, 6, grain="firm"),
    ]
    chart = chart_of(USERS.make(figures_of(cohorts=cohorts)), "month after")
    # Without the first month of the data: 4 of 8 and 11 of 12.
    assert chart.finding == (
        "15 of 20 new users (75.0 %) were active in the month after their first one"
    )
    assert [(row["cohort"], row["months_since"], row["percent"]) for row in rows_of(chart)] == [
        ("2024-03* (100)", 0, 100.0),
        ("2024-03* (100)", 1, 90.0),
        ("2024-04 (8)", 0, 100.0),
        ("2024-04 (8)", 1, 50.0),
        ("2024-05 (12)", 1, pytest.approx(91.6667, abs=1e-3)),
        ("2024-06 (3)", 0, 100.0),
    ]
    assert chart.note.startswith("* The first month of the data")


def test_retention_knows_no_month_that_was_not_over_on_the_day() -> None:
    """Guards against a report of an earlier day that shows what came after it."""
    cohorts = [cohort(5, 0, 4, 4), cohort(5, 1, 4, 3)]
    chapter = USERS.make(figures_of([of_day(1)], cohorts=cohorts, day=back(1)))
    [_, chart] = charts_in(chapter)
    assert [row["activity_month"] for row in rows_of(chart)] == ["2024-05-01T00:00:00"]


@pytest.mark.parametrize(
    ("cohorts", "finding"),
    [
        (
            [cohort(5, 1, 10, 9, is_first_month=True)],
            "9 of 10 users of the first month of data (90.0 %) were active in the month after "
            "their first one",
        ),
        ([cohort(6, 0, 10, 10)], "No month after a cohort's first one is over yet"),
    ],
)
def test_retention_of_little(cohorts: Rows, finding: str) -> None:
    [_, chart] = charts_in(USERS.make(figures_of(cohorts=cohorts)))
    assert chart.finding == finding


def curve_of(days_back: int, users: Mapping[int, int], window_days: int = 28) -> Rows:
    total = sum(users.values())
    return [
        {
            "date": back(days_back),
            "window_days": window_days,
            "active_days": days,
            "users": users.get(days, 0),
            "users_percent": 100 * users.get(days, 0) / total if total else None,
        }
        for days in range(1, window_days + 1)
    ]


def test_the_power_curve_against_28_days_before() -> None:
    curve = [
        *curve_of(0, {1: 5, 13: 1, 14: 1, 28: 1}),
        *curve_of(28, {1: 3, 20: 1}),
        *curve_of(30, {28: 50}),
        *curve_of(0, {7: 90}, window_days=7),
    ]
    chart = chart_of(USERS.make(figures_of(curve=curve)), "of 28 days")
    assert chart.finding == (
        "2 of 8 users (25.0 %) came on 14 of 28 days or more; 28 days before, 1 of 4 (25.0 %)"
    )
    assert len(rows_of(chart)) == 56
    assert {row["window"] for row in rows_of(chart)} == {"2024-06-30", "2024-06-02"}


def test_the_power_curve_of_the_day_alone() -> None:
    curve = [*curve_of(0, {1: 1}), *curve_of(28, {})]
    chart = chart_of(USERS.make(figures_of(curve=curve)), "of 28 days")
    assert chart.finding == "0 of 1 user (0.0 %) came on 14 of 28 days or more"


def test_stickiness_is_a_mean_over_a_week_of_complete_days() -> None:
    # The last seven days have 10, 20, ..., 70; the day of 30 was not delivered: 250 / 6.
    active = [
        {"date": back(6 - place), "grain": "user", "stickiness": 10.0 * (place + 1)}
        for place in range(7)
    ]
    # A week before that is not of it.
    active += [{"date": back(days), "grain": "user", "stickiness": 100.0} for days in (7, 37)]
    active += [{"date": back(30), "grain": "user", "stickiness": 12.0}]
    active += [{"date": back(0), "grain": "firm", "stickiness": 99.0}]
    summary = [of_day(days_back) for days_back in range(150)]
    summary[4] |= {"is_covered": False, "is_volume_usual": False}
    chart = chart_of(USERS.make(figures_of(summary=summary, active=active)), "average day")
    assert chart.finding == (
        "On an average day of the week to 2024-06-30, 41.7 % of monthly users came, against 12.0 % "
        "30 days before"
    )
    by_day = {row["date"][:10]: row for row in rows_of(chart)}
    assert by_day["2024-06-26"]["stickiness"] is None
    # 2024-06-23 has 100, the two days after it 10 and 20.
    assert by_day["2024-06-25"]["mean"] == pytest.approx(130 / 3)
    assert chart.note == "1 day is grey: not delivered, or of an unusual volume."


def test_stickiness_without_a_day_before() -> None:
    active = [{"date": SUNDAY, "grain": "user", "stickiness": 50.0}]
    chart = chart_of(USERS.make(figures_of(active=active)), "average day")
    assert chart.finding.endswith("50.0 % of monthly users came; there is no figure 30 days before")


# --- all of it -----------------------------------------------------------------------------------


def test_every_chart_draws_something_on_a_day_after_which_one_is_cut_off() -> None:
    """Figures are of Saturday, charts over time go on to Sunday."""
    saturday = [*moving("a", HIGH, POWER), *moving(HOSTILE, POWER, HIGH)]
    saturday = [row | {"date": row["date"] - timedelta(days=1)} for row in saturday]
    summary = [of_day(days_back) for days_back in range(150)]
    summary[0] |= {"is_volume_usual": False}
    figures = figures_of(
        [of_day(0, power_users=9), of_day(1, power_users=3), of_day(31, power_users=2)],
        summary,
        saturday,
        growth=[grown(1, 1, 1, 1), grown(8, 1, 1, 1), grown(0, 9, 9, 9)],
        active=[
            {"date": back(1), "grain": "user", "stickiness": 50.0},
            {"date": back(0), "grain": "user", "stickiness": 1.0},
        ],
        curve=[*curve_of(1, {1: 1}), *curve_of(29, {1: 1})],
        cohorts=[cohort(4, 0, 1, 1), cohort(4, 1, 1, 1)],
    )
    chapter = USERS.make(figures)
    assert_charts_draw(chapter)
    assert_cells_hold(figures, chapter)
    assert len(charts_in(chapter)) == 7
    assert missing_in(chapter).keys() == {"Who moved most in 30 days"}
    assert chapter.lead.startswith("Users of 2024-06-29")
    tiers = chart_of(chapter, "Power users")
    assert tiers.finding == "Power users rose from 2 to 3 (+50.0 %) in 30 days"
    assert max(row["date"] for row in rows_of(tiers)) == "2024-06-30T00:00:00"
    means = {row["date"][:10]: row["mean"] for row in rows_of(chart_of(chapter, "average day"))}
    assert (means["2024-06-29"], means["2024-06-30"]) == (50, None)
    assert {row["date"][:10] for row in rows_of(chart_of(chapter, "quick ratio"))} == {
        "2024-06-22",
        "2024-06-29",
    }
    [top] = [block for block in chapter.blocks if isinstance(block, Grid)]
    assert [entry for row in top.rows for entry in row if isinstance(entry, Link)] == [
        Link("a", "user", "a")
    ]
