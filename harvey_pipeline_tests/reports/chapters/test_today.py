from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.reports.chapters.today import TODAY
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Chapter, Link, Statement, Statements, Tile, Tiles
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

DASHBOARD = TABLES["marts.harvey_analytics_dashboard"]
SUMMARY = TABLES["marts.daily_event_summary"]
FIRMS = TABLES["marts.daily_firm_usage_summary"]
TIER_CHANGES = TABLES["marts.tier_changes"]
QUALITY = TABLES["marts.data_quality_daily"]

SUNDAY = date(2024, 6, 30)
CHANGES = "What changed and why"
QUALITY_TITLE = "Data quality of the last 7 days"
HOSTILE = "<script>alert(1)</script>'; drop table x; --"

Rows = Sequence[Mapping[str, Any]]


def back(days: int) -> date:
    return SUNDAY - timedelta(days=days)


def of_day(days_back: int, **columns: Any) -> dict[str, Any]:
    """A covered day's row of the dashboard, or of the summary."""
    return {"date": back(days_back), "is_covered": True, **columns}


def covered(days: int, **columns: Any) -> list[dict[str, Any]]:
    """So many covered days up to Sunday, of the summary."""
    return [of_day(days_back, **columns) for days_back in range(days)]


def figures_of(
    dashboard: Rows,
    summary: Rows = (),
    firms: Rows = (),
    tier_changes: Rows = (),
    quality: Rows = (),
    *,
    without: Sequence[Table] = (),
) -> Figures:
    tables = {
        DASHBOARD: dashboard,
        SUMMARY: summary or covered(60),
        FIRMS: firms,
        TIER_CHANGES: tier_changes,
        QUALITY: quality,
    }
    return figures_over(
        {table: rows for table, rows in tables.items() if table not in without}, SUNDAY
    )


def tile_of(chapter: Chapter, label: str) -> Tile:
    [tiles] = [block for block in chapter.blocks if isinstance(block, Tiles)]
    [tile] = [tile for tile in tiles.tiles if tile.label == label]
    return tile


def statements_of(chapter: Chapter, title: str = CHANGES) -> list[Statement]:
    [block] = [
        block for block in chapter.blocks if isinstance(block, Statements) and block.title == title
    ]
    return list(block.statements)


def only(sentences: Sequence[str], words: str) -> str:
    [sentence] = [sentence for sentence in sentences if words in sentence]
    return sentence


# --- the headline --------------------------------------------------------------------------------


def test_without_a_row_of_the_day_the_chapter_is_absent() -> None:
    chapter = TODAY.make(figures_of([of_day(1, dau=3)]))
    assert (
        chapter.absent
        == "No data for today: marts.harvey_analytics_dashboard has no row of 2024-06-30."
    )
    assert not chapter.blocks


def test_a_tile_has_the_cell_and_its_changes() -> None:
    dashboard = [
        of_day(0, wau=47, stickiness=25.0, power_users=0),
        of_day(7, wau=41, stickiness=27.5, power_users=0),
        of_day(30, wau=50, stickiness=20.0, power_users=0),
    ]
    figures = figures_of(dashboard)
    chapter = TODAY.make(figures)
    weekly = tile_of(chapter, "Weekly users (WAU)")
    # 6 of 41 are 14.63 %, 3 of 50 are 6 %.
    assert weekly.figure.value == 47
    assert weekly.changes == ["+6 (+14.6 %) in 7 days", "-3 (-6.0 %) in 30 days"]
    # 2024-05-31 is a Friday.
    assert tile_of(chapter, "Stickiness").changes == [
        "-2.5 points in 7 days",
        "+5.0 points in 30 days (then a Friday)",
    ]
    assert tile_of(chapter, "Power users").changes == [
        "no change in 7 days",
        "no change in 30 days",
    ]
    assert_cells_hold(figures, chapter)


def test_days_that_are_not_there_or_not_complete_are_no_comparison() -> None:
    dashboard = [
        of_day(0, dau=10, mau=30),
        {"date": back(7), "is_covered": False, "is_volume_usual": False, "dau": 0, "mau": 28},
    ]
    chapter = TODAY.make(figures_of(dashboard))
    assert tile_of(chapter, "Daily users (DAU)").changes == [
        "no figure 7 days ago: that day is not complete",
        "no figure 30 days ago",
    ]
    # The 30 days of a day that was not delivered are all but complete.
    assert tile_of(chapter, "Monthly users (MAU)").changes == [
        "+2 (+7.1 %) in 7 days",
        "no figure 30 days ago",
    ]


def test_a_value_that_is_unknown_is_no_zero() -> None:
    dashboard = [of_day(0, avg_user_feedback=None), of_day(7, avg_user_feedback=4.25)]
    tile = tile_of(TODAY.make(figures_of(dashboard)), "Average feedback")
    assert str(tile.figure) == "–"
    assert tile.changes == ["4.2 7 days ago", "no figure 30 days ago"]
    assert tile.sparkline is None


def test_a_sparkline_is_of_90_days_without_those_that_are_not_complete() -> None:
    dashboard = [of_day(days_back, dau=5, wau=9) for days_back in range(95)]
    dashboard[3] |= {"is_covered": False, "is_volume_usual": False, "dau": 0}
    chapter = TODAY.make(figures_of(dashboard))
    daily, weekly = (
        tile_of(chapter, label).sparkline for label in ("Daily users (DAU)", "Weekly users (WAU)")
    )
    assert daily is not None
    assert weekly is not None
    rows = daily["datasets"]["rows"]
    assert len(rows) == 90
    assert rows[0]["date"] == "2024-04-02T00:00:00"
    assert [row["date"][:10] for row in rows if row["dau"] is None] == ["2024-06-27"]
    assert {row["wau"] for row in weekly["datasets"]["rows"]} == {9}


def test_a_day_without_anything_is_a_day_of_zeros() -> None:
    figures = figures_of([of_day(0)])
    chapter = TODAY.make(figures)
    assert str(tile_of(chapter, "Events").figure) == "0"
    assert not chapter.absent
    assert_cells_hold(figures, chapter)


# --- a last day that is not complete -------------------------------------------------------------

CUT_OFF = "The last day is not complete"


def test_a_day_that_is_cut_off_comes_first_and_is_not_the_headline() -> None:
    # The latest four covered Sundays: 330, 334, 300, 340, in order 300, 330, 334, 340.
    events = {7: 0, 14: 330, 21: 334, 28: 300, 35: 340, 42: 9000, 63: 9000}
    summary = [of_day(days_back, total_events=total) for days_back, total in events.items()]
    summary[0] |= {"is_covered": False, "is_volume_usual": False}
    summary += [
        of_day(0, total_events=14, is_volume_usual=False),
        of_day(1, total_events=139, is_volume_usual=True),
    ]
    dashboard = [of_day(0, dau=3), of_day(1, dau=13, is_volume_usual=True)]
    figures = figures_of(dashboard, summary)
    chapter = TODAY.make(figures)
    first = chapter.blocks[0]
    assert isinstance(first, Statements)
    assert first.title == CUT_OFF
    assert [statement.sentence for statement in first.statements] == [
        "Sunday, 2024-06-30, is cut off: it has 14 events; 332 are usual on a Sunday; headline "
        "figures are of Saturday, 2024-06-29"
    ]
    assert "330, 334, 300, 340;" in first.statements[0].evidence
    assert tile_of(chapter, "Daily users (DAU)").figure.value == 13
    assert "2024-06-29" in chapter.lead
    assert_cells_hold(figures, chapter)


@pytest.mark.parametrize(
    ("columns", "sundays", "said"),
    [
        (
            {"total_events": 1, "is_volume_usual": False},
            (3, 3, 4, 4),
            "is cut off: it has 1 event; 3.5 are usual on a Sunday;",
        ),
        (
            {"total_events": 90, "is_volume_usual": False},
            (40, 40, 44, 44),
            "is out of the ordinary: it has 90 events; 42 are usual on a Sunday;",
        ),
        (
            {"is_covered": False, "is_volume_usual": False},
            (40, 40, 44),
            "was not delivered: it has 0 events; what is usual on a Sunday is not known yet;",
        ),
    ],
)
def test_what_is_wrong_with_the_last_day(
    columns: dict[str, Any], sundays: Sequence[int], said: str
) -> None:
    summary = [of_day(0, **columns), of_day(1)]
    # The last week lies 56 days back, which is just near enough; a ninth one does not count.
    weeks = zip((1, 2, 3, 8), sundays, strict=False)
    summary += [of_day(7 * week, total_events=total) for week, total in weeks]
    summary.append(of_day(63, total_events=9000))
    chapter = TODAY.make(figures_of([of_day(0), of_day(1)], summary))
    assert said in only(sentences_of(chapter, CUT_OFF), "2024-06-30")


def test_a_usual_last_day_is_not_mentioned() -> None:
    chapter = TODAY.make(figures_of([of_day(0)]))
    assert isinstance(chapter.blocks[0], Tiles)


# --- what changed --------------------------------------------------------------------------------


def trend_of(now: int, before: int | None, trend: str, summary: Rows = ()) -> Statement:
    dashboard = [of_day(0, power_users=now, power_user_retention=80.0, growth_trend=trend)]
    if before is not None:
        dashboard.append(of_day(30, power_users=before))
    return statements_of(TODAY.make(figures_of(dashboard, summary)))[0]


def test_a_trend_has_its_reason() -> None:
    told = trend_of(33, 30, "Strong Growth")
    assert told.sentence == (
        "Strong Growth: power users went from 30 to 33 (+10.0 %) in 30 days, and 80 % of the "
        "earlier ones still are"
    )


def test_a_day_that_was_not_delivered_takes_the_trend() -> None:
    summary = covered(60)
    summary[34] |= {"is_covered": False, "is_volume_usual": False}
    told = trend_of(33, 30, "Insufficient Data", summary)
    assert told.sentence.endswith("; 1 of the 60 days to 2024-06-30 is not covered by events")
    assert "Not covered: 2024-05-27" in told.evidence
    assert "one person" not in told.evidence


def test_a_short_history_takes_the_trend() -> None:
    told = trend_of(33, 30, "Insufficient Data", covered(58))
    assert told.sentence.endswith("; 2 of the 60 days to 2024-06-30 are not covered by events")
    # 57 days before 2024-06-30.
    assert told.evidence.endswith("Not covered: those before 2024-05-04")


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (19, "; 30 days before there were only 19 power users"),
        (1, "; 30 days before there was only 1 power user"),
        (0, "; 30 days before there were only 0 power users"),
    ],
)
def test_few_power_users_take_the_trend(before: int, said: str) -> None:
    told = trend_of(33, before, "Insufficient Data")
    assert told.sentence.endswith(said)
    assert "covered by events" not in told.sentence


def test_twenty_power_users_and_60_days_are_no_reason() -> None:
    told = trend_of(33, 20, "Insufficient Data")
    assert ";" not in told.sentence


def test_no_day_before_takes_the_trend() -> None:
    assert trend_of(1, None, "Insufficient Data").sentence == (
        "Insufficient Data: 1 power user on 2024-06-30, and no figures of 30 days before"
    )


def moved(user: str, direction: str, component: str) -> dict[str, Any]:
    return {
        "date": SUNDAY,
        "user_id": user,
        "direction": direction,
        "main_component": component,
    }


def test_moves_are_told_with_what_made_most_of_them() -> None:
    changes = [
        moved("a", "up", "document_volume_weight"),
        moved("b", "down", "feature_breadth_weight"),
        # As many by breadth as by days: the first in order counts.
        moved("c", "down", "active_days_weight"),
        {**moved("d", "up", "active_days_weight"), "date": back(1)},
    ]
    dashboard = [of_day(0, users_moved_up=1, users_moved_down=2), of_day(30)]
    chapter = TODAY.make(figures_of(dashboard, tier_changes=changes))
    told = only(sentences_of(chapter, CHANGES), "a tier")
    assert told == (
        "In 30 days 1 user moved up a tier, most often by more documents (1 of 1); 2 users moved "
        "down a tier, most often by fewer active days (1 of 2)"
    )


def test_nobody_moved() -> None:
    chapter = TODAY.make(figures_of([of_day(0), of_day(30)]))
    told = only(sentences_of(chapter, CHANGES), "a tier")
    assert told == "In 30 days 0 users moved up a tier; 0 users moved down a tier"


def test_moves_need_a_day_before() -> None:
    chapter = TODAY.make(figures_of([of_day(0)]))
    assert only(sentences_of(chapter, CHANGES), "tier") == (
        "No tier can be compared: there are no figures of 30 days before"
    )


def firm(name: str, now: str, before: str, arr_usd: float | None) -> list[dict[str, Any]]:
    return [
        {
            "date": day,
            "firm_id": name,
            "firm_health_status": status,
            "arr_usd": arr_usd,
            "total_queries_30d": 10,
            "avg_feedback_score_30d": feedback,
            "queries_per_active_user_30d": 2.5,
        }
        for day, status, feedback in ((SUNDAY, now, 3.6), (back(30), before, 4.2))
    ]


def test_firms_of_another_health_by_their_contract() -> None:
    firms = [
        *firm("small", "Fair", "Good", 1_000.0),
        *firm("large", "Fair", "Critical", 90_000.0),
        *firm("unknown", "Fair", "Excellent", None),
        *firm("same", "Fair", "Fair", 500_000.0),
    ]
    statements = statements_of(TODAY.make(figures_of([of_day(0)], firms=firms)))
    place = next(i for i, one in enumerate(statements) if "better health" in one.sentence)
    assert [one.sentence for one in statements[place : place + 4]] == [
        "1 firm is in better health than 30 days before, 2 in worse",
        "Went from Critical to Fair, with a contract of $90,000 a year",
        "Went from Good to Fair, with a contract of $1,000 a year",
        "Went from Excellent to Fair, with a contract of unknown value",
    ]
    assert statements[place + 1].link == Link("large", "firm", "large")
    assert "30 days before: mean score 4.2 and 2.5 queries" in statements[place + 1].evidence


def test_few_firms_are_named() -> None:
    firms = [row for i in range(7) for row in firm(f"firm-{i}", "Fair", "Good", float(i))]
    statements = statements_of(TODAY.make(figures_of([of_day(0)], firms=firms)))
    assert any(
        one.sentence == "0 firms are in better health than 30 days before, 7 in worse; the 5 of "
        "the highest contract value follow"
        for one in statements
    )
    named = [one.link.id for one in statements if one.link]
    assert named == ["firm-6", "firm-5", "firm-4", "firm-3", "firm-2"]


def test_no_firm_changed() -> None:
    chapter = TODAY.make(figures_of([of_day(0)], firms=firm("a", "Fair", "Fair", 1.0)))
    assert "No firm's health changed in 30 days" in sentences_of(chapter, CHANGES)


def test_firms_need_a_day_before() -> None:
    chapter = TODAY.make(figures_of([of_day(0)], firms=firm("a", "Fair", "Fair", 1.0)[:1]))
    assert "No firm's health can be compared: there are no figures of 2024-05-31" in sentences_of(
        chapter, CHANGES
    )


def volume_of(
    last: tuple[int, int, int], before: tuple[int, int, int], days: int = 15
) -> Statement:
    """The statement where the 7 days to Sunday, and those before, have so many of each type."""
    names = ("assistant_events", "vault_events", "workflow_events")
    summary = covered(days)
    # Both ends of both weeks, and the day before them.
    summary[-1] |= {"assistant_events": 1000} if days == 15 else {}
    for place, counts in ((6, last), (7, before)):
        summary[place] |= dict(zip(names, counts, strict=True))
    told = statements_of(TODAY.make(figures_of([of_day(0)], summary)))
    return told[-1]


def test_the_type_that_moved_the_volume() -> None:
    # 150 to 120 events; VAULT lost 40, ASSISTANT won 10.
    told = volume_of((60, 40, 20), (50, 80, 20))
    assert told.sentence == (
        "The 7 days to 2024-06-30 had 120 events, 30 fewer (-20.0 %) than in the 7 days before; "
        "VAULT moved it most (-40)"
    )
    assert told.evidence == (
        "From the week before to the last: ASSISTANT 50 to 60, VAULT 80 to 40, WORKFLOW 20 to 20"
    )


@pytest.mark.parametrize(
    ("last", "before", "said"),
    [
        ((1, 0, 0), (0, 0, 0), "had 1 event, 1 more than in the 7 days before; ASSISTANT"),
        ((4, 4, 4), (4, 4, 4), "had 12 events, as many as in the 7 days before"),
        ((9, 0, 3), (4, 5, 3), "as many as in the 7 days before; ASSISTANT moved it most (+5)"),
        ((0, 0, 0), (0, 0, 0), "had 0 events, as many as in the 7 days before"),
    ],
)
def test_volumes_that_grew_from_nothing_or_stood_still(
    last: tuple[int, int, int], before: tuple[int, int, int], said: str
) -> None:
    assert said in volume_of(last, before).sentence


def test_a_volume_of_days_that_are_not_complete_says_so() -> None:
    told = volume_of((1, 1, 1), (1, 1, 1), days=13)
    assert told.evidence.endswith("; 1 of the 14 days is not complete")
    summary = covered(14)
    summary[3] |= {"is_volume_usual": False}
    summary[4] |= {"is_covered": False}
    summary[5] |= {"is_volume_usual": True}
    told = statements_of(TODAY.make(figures_of([of_day(0)], summary)))[-1]
    assert told.evidence.endswith("; 2 of the 14 days are not complete")


def test_a_volume_needs_a_week_before() -> None:
    chapter = TODAY.make(figures_of([of_day(0)], covered(7)))
    assert sentences_of(chapter, CHANGES)[-1] == (
        "The events of the week to 2024-06-30 have no week before to compare with"
    )


# --- data quality --------------------------------------------------------------------------------


def drop(days_back: int, source: str = "events", reasons: str = "{}", **columns: Any) -> Any:
    return {
        "drop_date": back(days_back),
        "source": source,
        "form": "drop",
        "is_observed": True,
        "rejected_by_reason": reasons,
        "level": "ok",
        **columns,
    }


def test_data_quality_by_source() -> None:
    quality = [
        drop(0, rows_read=100, rows_accepted=97, rows_rejected=3, rows_late=2, level="warning")
        | {"rejected_by_reason": '{"missing_id": 2, "late": 1}'},
        drop(6, rows_read=100, rows_accepted=95, rows_rejected=5, rows_late=1, level="info")
        | {"rejected_by_reason": '{"late": 1, "missing_id": 1, "b": 1, "a": 2}'},
        drop(3, form="none", is_observed=False, level="ok"),
        drop(7, rows_read=1000, rows_accepted=0, rows_rejected=1000, level="critical")
        | {"rejected_by_reason": '{"old": 1000}'},
        drop(0, "users", rows_read=7, rows_accepted=7),
        drop(0, "firms", form="none", is_observed=False),
    ]
    grid = grid_of(TODAY.make(figures_of([of_day(0)], quality=quality)), QUALITY_TITLE)
    assert column_of(grid, "Source") == ["events", "firms", "users"]
    assert column_of(grid, "Days delivered") == ["2", "0", "1"]
    assert column_of(grid, "Days lost") == ["1", "1", "0"]
    assert column_of(grid, "Rows read") == ["200", "0", "7"]
    assert column_of(grid, "Accepted") == ["192", "0", "7"]
    assert column_of(grid, "Rejected") == ["8", "0", "0"]
    assert column_of(grid, "Late") == ["3", "–", "–"]
    assert column_of(grid, "Worst level") == ["warning", "ok", "ok"]
    assert column_of(grid, "Most frequent reasons") == [
        "missing_id (3), a (2), late (2)",
        "None",
        "None",
    ]


def test_rejected_records_by_reason() -> None:
    reasons = ", ".join(f'"r{number}": {number}' for number in range(1, 9))
    quality = [
        drop(0, reasons=f"{{{reasons}}}", rows_rejected=36),
        drop(29, "users", reasons='{"r8": 4}', rows_rejected=4),
        drop(30, reasons='{"r8": 100}', rows_rejected=100),
    ]
    chapter = TODAY.make(figures_of([of_day(0)], quality=quality))
    assert_charts_draw(chapter)
    [chart] = charts_in(chapter)
    # 1 + 2 + ... + 8 = 36, and 4.
    assert chart.finding == "Records were most often rejected for r8: 12 of 40 in 30 days"
    rows = chart.spec["datasets"]["rows"]
    assert {row["reason"]: row["records"] for row in rows if row["date"][:10] == "2024-06-30"} == {
        "r8": 8,
        "r7": 7,
        "r6": 6,
        "r5": 5,
        "r4": 4,
        "r3": 3,
        "other reasons": 3,
    }
    assert sum(row["records"] for row in rows) == 40


def test_nothing_rejected_is_no_empty_frame() -> None:
    chapter = TODAY.make(figures_of([of_day(0)], quality=[drop(0, rows_read=1, rows_accepted=1)]))
    assert missing_in(chapter) == {
        "Rejected records": "No data for rejected records: none was rejected from 2024-06-01 to "
        "2024-06-30."
    }


def test_data_quality_that_is_not_there() -> None:
    loaded_long_ago = TODAY.make(figures_of([of_day(0)], quality=[drop(40)]))
    assert missing_in(loaded_long_ago)[QUALITY_TITLE] == (
        "No data for data quality: nothing was loaded since 2024-06-24."
    )
    without = TODAY.make(figures_of([of_day(0)], without=[QUALITY, FIRMS, TIER_CHANGES]))
    assert missing_in(without) == {
        title: f"No data for {title.lower()}: marts.data_quality_daily was not computed yet."
        for title in ("Data quality", "Rejected records")
    }


# --- all of it -----------------------------------------------------------------------------------


def test_names_of_others_are_shown_as_they_are() -> None:
    quality = [drop(0, HOSTILE, reasons='{"<b>": 1}', rows_read=1, rows_rejected=1)]
    firms = firm(HOSTILE, "Fair", "Good", 1.0)
    figures = figures_of(
        [of_day(0), of_day(30)],
        firms=firms,
        quality=quality,
        tier_changes=[moved(HOSTILE, "up", "active_days_weight")],
    )
    chapter = TODAY.make(figures)
    assert column_of(grid_of(chapter, QUALITY_TITLE), "Source") == [HOSTILE]
    assert [one.link for one in statements_of(chapter) if one.link] == [
        Link(HOSTILE, "firm", HOSTILE)
    ]
    assert_charts_draw(chapter)
    assert_cells_hold(figures, chapter)
