"""The chapter of firms, on warehouses whose figures are known by hand."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.reports.chapters.firms import FIRMS
from harvey_pipeline.reports.explaining import explain_firm_health
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Chapter, Figure, Link, Statements, Tiles
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

DAY = date(2024, 6, 30)

HOSTILE = (
    "<script>alert(1)</script>",
    "'; drop table marts.daily_firm_usage_summary; --",
    'a"b\\" + datum.x + "',
    "\u202eשלום",
    "long" * 500,
)


def firm(firm_id: str, status: str = "Good", day: date = DAY, **columns: Any) -> dict[str, Any]:
    """A firm of 20 seats and 100,000 USD, with 10 users."""
    return {
        "date": day,
        "firm_id": firm_id,
        "firm_health_status": status,
        "active_users_30d": 10,
        "total_queries_30d": 60,
        "queries_per_active_user_30d": 6.0,
        "avg_feedback_score_30d": 4.1,
        "adoption_rate_30d": 50.0,
        "firm_size": 20,
        "unused_seats_30d": 10,
        "arr_usd": 100_000.0,
        **columns,
    }


FOUR = (
    firm(
        "fine",
        arr_usd=600_000.0,
        firm_size=200,
        active_users_30d=150,
        unused_seats_30d=50,
        adoption_rate_30d=75.0,
    ),
    firm(
        "poor",
        "Critical",
        arr_usd=300_000.0,
        firm_size=100,
        active_users_30d=10,
        unused_seats_30d=90,
        adoption_rate_30d=10.0,
        avg_feedback_score_30d=2.5,
    ),
    firm(
        "wary",
        "Needs Attention",
        arr_usd=100_000.0,
        firm_size=50,
        active_users_30d=25,
        unused_seats_30d=25,
        avg_feedback_score_30d=3.1,
    ),
    firm(
        "free",
        "Fair",
        arr_usd=None,
        firm_size=10,
        active_users_30d=4,
        unused_seats_30d=6,
        adoption_rate_30d=40.0,
    ),
)


def health(day: date, *counts: int) -> dict[str, Any]:
    """Firms from Excellent to Critical."""
    names = ("excellent", "good", "fair", "needs_attention", "critical")
    return {"date": day} | {
        f"{name}_firms": count for name, count in zip(names, counts, strict=True)
    }


def events(day: date, *, is_usual: bool | None = True) -> dict[str, Any]:
    return {"date": day, "is_covered": True, "is_volume_usual": is_usual}


def warehouse(
    firms: Sequence[Mapping[str, Any]],
    dashboard: Sequence[Mapping[str, Any]] = (health(DAY, 0, 1, 1, 1, 1),),
    days: Sequence[Mapping[str, Any]] = (events(DAY),),
) -> Figures:
    return figures_over(
        {
            TABLES["marts.daily_firm_usage_summary"]: firms,
            TABLES["marts.harvey_analytics_dashboard"]: dashboard,
            TABLES["marts.daily_event_summary"]: days,
        },
        DAY,
    )


def chapter_of(*firms: Mapping[str, Any]) -> Chapter:
    return FIRMS.make(warehouse(firms))


def test_figures_are_their_cells_and_charts_draw() -> None:
    figures = warehouse(FOUR)
    chapter = FIRMS.make(figures)
    assert_cells_hold(figures, chapter)
    assert_charts_draw(chapter)
    assert chapter.lead == "4 firms on 2024-06-30, by the 30 days up to it."
    assert missing_in(chapter) == {}


def test_money_at_risk_and_unused() -> None:
    """300,000 + 100,000 of 1,000,000 USD; 270,000 + 50,000 + 150,000 USD for unused seats."""
    chapter = chapter_of(*FOUR)
    [stand_out] = [block for block in chapter.blocks if isinstance(block, Statements)]
    assert [(one.sentence, one.evidence) for one in stand_out.statements[:2]] == [
        (
            "2 of 4 firms are at risk; they hold $400,000 of $1,000,000 ARR (40.0 %).",
            "1 Critical, 1 Needs Attention.",
        ),
        (
            "171 of 360 seats had no active user in 30 days; they cost $470,000 a year.",
            "ARR x unused seats / seats, added up over firms. 6 seats of unknown price left out.",
        ),
    ]
    [tiles] = [block for block in chapter.blocks if isinstance(block, Tiles)]
    assert [(tile.label, str(tile.figure)) for tile in tiles.tiles] == [
        ("Needs Attention firms", "1"),
        ("Critical firms", "1"),
        ("ARR of firms at risk", "$400,000"),
        ("Unused seats, a year", "$470,000"),
    ]


def test_firms_at_risk_with_most_arr_are_told_first() -> None:
    """At most five, and those of unknown ARR last."""
    many = [firm(f"f{place}", "Critical", arr_usd=1_000.0 * place) for place in range(1, 6)]
    chapter = chapter_of(firm("unknown", "Critical", arr_usd=None), *many, firm("fine"))
    [stand_out] = [block for block in chapter.blocks if isinstance(block, Statements)]
    told = stand_out.statements[2:]
    assert [one.link for one in told] == [
        Link(name, "firm", name) for name in ("f5", "f4", "f3", "f2", "f1")
    ]
    assert told[0].sentence == explain_firm_health(many[-1]).sentence
    assert told[0].evidence.startswith("$5,000 ARR. ")
    assert stand_out.statements[0].evidence == "6 Critical. ARR of 1 of them is not known."


@pytest.mark.parametrize(
    ("firms", "sentence"),
    [
        ([firm("a")], "None of 1 firm is at risk."),
        (
            [firm("a", "Critical", arr_usd=5_000.0), firm("b", arr_usd=5_000.0)],
            "1 of 2 firms is at risk; it holds $5,000 of $10,000 ARR (50.0 %).",
        ),
        (
            [firm("a", "Critical", arr_usd=None), firm("b")],
            "1 of 2 firms is at risk; no ARR of it is known.",
        ),
        (
            [firm("a", "Critical", arr_usd=None), firm("b", "Needs Attention", arr_usd=None)],
            "2 of 2 firms are at risk; no ARR of them is known.",
        ),
        (
            [firm("a", "Critical", arr_usd=0.0)],
            "1 of 1 firm is at risk; it holds $0 of $0 ARR.",
        ),
    ],
)
def test_arr_at_risk_in_words(firms: Sequence[Mapping[str, Any]], sentence: str) -> None:
    assert sentences_of(chapter_of(*firms), "What stands out")[0] == sentence


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"firm_size": None, "unused_seats_30d": None, "adoption_rate_30d": None},
            "No firm is known to have seats, so that none is unused.",
        ),
        (
            {"firm_size": 0, "unused_seats_30d": 0, "adoption_rate_30d": None},
            "No firm is known to have seats, so that none is unused.",
        ),
        ({"firm_size": 1, "unused_seats_30d": 0}, "None of 1 seat is unused."),
        (
            {"arr_usd": None},
            "10 of 20 seats had no active user in 30 days; what they cost is not known.",
        ),
    ],
)
def test_unused_seats_in_words(columns: Mapping[str, Any], sentence: str) -> None:
    assert sentences_of(chapter_of(firm("a", **columns)), "What stands out")[1] == sentence


@pytest.mark.parametrize("seats", [None, 0])
def test_without_seats_nothing_is_drawn_against_arr(seats: int | None) -> None:
    chapter = chapter_of(firm("a", firm_size=seats, adoption_rate_30d=None))
    assert missing_in(chapter) == {
        "Health against ARR": "No data for health against ARR: no firm has both ARR and seats."
    }
    assert column_of(grid_of(chapter, "All firms"), "Unused, USD a year") == ["–"]


@pytest.mark.parametrize(
    ("firms", "finding"),
    [
        # 35 of 150 seats, and 154 of 210.
        (FOUR, "Firms at risk use 23.3 % of their seats, the others 73.3 %"),
        ([firm("a")], "No firm with seats is at risk; 50.0 % of seats are in use"),
        (
            [firm("a", "Critical")],
            "All firms with seats are at risk; 50.0 % of seats are in use",
        ),
    ],
)
def test_use_of_seats_in_words(firms: Sequence[Mapping[str, Any]], finding: str) -> None:
    assert charts_in(chapter_of(*firms))[0].finding == finding


def test_circles_are_firms_with_arr_and_seats() -> None:
    chart = charts_in(chapter_of(*FOUR))[0]
    assert [
        (row["firm_id"], row["arr_usd"], row["adoption_rate_30d"], row["firm_size"])
        for row in chart.spec["datasets"]["rows"]
    ] == [
        ("fine", 600_000.0, 75.0, 200),
        ("poor", 300_000.0, 10.0, 100),
        ("wary", 100_000.0, 50.0, 50),
    ]
    assert chart.note.startswith("1 firm without ARR or seats")


def test_firm_without_activity() -> None:
    idle = firm(
        "idle",
        "Critical",
        active_users_30d=0,
        total_queries_30d=0,
        queries_per_active_user_30d=None,
        avg_feedback_score_30d=None,
        adoption_rate_30d=0.0,
        unused_seats_30d=20,
    )
    figures = warehouse([idle])
    chapter = FIRMS.make(figures)
    assert_cells_hold(figures, chapter)
    assert_charts_draw(chapter)
    grid = grid_of(chapter, "All firms")
    assert column_of(grid, "Feedback") == ["–"]
    assert column_of(grid, "Adoption") == ["0.0 %"]
    assert column_of(grid, "Unused, USD a year") == ["$100,000"]


def test_grid_has_every_firm_with_its_reason_and_trend() -> None:
    """12 users 30 days before and 10 now; of `new` nothing was known then."""
    before = DAY - timedelta(days=30)
    now = [firm("old", arr_usd=2.0), firm("new", "Fair", arr_usd=1.0)]
    grid = grid_of(chapter_of(*now, firm("old", day=before, active_users_30d=12)), "All firms")
    assert column_of(grid, "Firm") == ["old", "new"]
    assert column_of(grid, "Change") == ["-2", "–"]
    assert column_of(grid, "Why") == [explain_firm_health(row).sentence for row in now]
    assert column_of(grid, "Health") == ["Good", "Fair"]
    assert grid.is_searchable
    assert grid.left_out == 0


def test_grid_leaves_out_those_with_least_arr() -> None:
    grid = grid_of(
        chapter_of(*(firm(f"f{place}", arr_usd=float(place)) for place in range(1_001))),
        "All firms",
    )
    assert (len(grid.rows), grid.left_out) == (1_000, 1)
    assert column_of(grid, "Firm")[-1] == "f1"


def test_hostile_ids_stay_data() -> None:
    figures = warehouse([firm(name, "Critical") for name in HOSTILE])
    chapter = FIRMS.make(figures)
    assert_cells_hold(figures, chapter)
    assert_charts_draw(chapter)
    assert set(column_of(grid_of(chapter, "All firms"), "Firm")) == set(HOSTILE)
    for chart in charts_in(chapter):
        code = json.dumps({**chart.spec, "datasets": {}}, ensure_ascii=False)
        assert not any(json.dumps(name, ensure_ascii=False)[1:-1] in code for name in HOSTILE)
        assert not any(name in chart.finding for name in HOSTILE)


def test_cut_off_day_is_no_news() -> None:
    yesterday = DAY - timedelta(days=1)
    figures = warehouse(
        [firm("a", arr_usd=7.0), firm("a", day=yesterday, arr_usd=8.0)],
        [health(yesterday, 0, 1, 0, 0, 0), health(DAY, 0, 0, 0, 0, 1)],
        [events(yesterday), events(DAY, is_usual=False)],
    )
    chapter = FIRMS.make(figures)
    assert_cells_hold(figures, chapter)
    assert chapter.lead == (
        "1 firm on 2024-06-29, by the 30 days up to it. Figures are of that day, as the events of "
        "2024-06-30 are not complete."
    )
    assert column_of(grid_of(chapter, "All firms"), "ARR") == ["$8"]
    over_days = charts_in(chapter)[1]
    assert over_days.finding == "None of 1 firm is at risk"
    assert over_days.note == "1 day is grey: not delivered, or of an unusual volume."
    faint = {row["date"][:10] for row in over_days.spec["datasets"]["rows"] if row["opacity"] < 1}
    assert faint == {"2024-06-30"}


@pytest.mark.parametrize(
    ("before", "now", "finding"),
    [
        ((1, 1, 0, 0, 0), (1, 1, 1, 2, 1), "Firms at risk rose from 0 to 3 of 6"),
        ((1, 1, 0, 0, 2), (1, 0, 0, 0, 1), "Firms at risk fell from 2 to 1 of 2"),
        ((1, 0, 0, 1, 0), (3, 0, 0, 0, 1), "Firms at risk are 1 of 4, as many as on"),
    ],
)
def test_health_over_days_in_words(before: Sequence[int], now: Sequence[int], finding: str) -> None:
    """The first of the 90 days is 2 April; what lies before is not read."""
    first = date(2024, 4, 2)
    rows = [health(date(2024, 4, 1), 0, 0, 0, 0, 9), health(first, *before), health(DAY, *now)]
    chart = charts_in(FIRMS.make(warehouse([firm("a")], rows)))[1]
    assert chart.finding.startswith(finding)
    assert chart.finding.endswith("2024-04-02")
    assert len(chart.spec["datasets"]["rows"]) == 2 * 5


def test_tiles_tell_changes_of_7_and_30_days() -> None:
    rows = [
        health(DAY - timedelta(days=30), 0, 0, 0, 4, 0),
        health(DAY - timedelta(days=7), 0, 0, 0, 5, 0),
        health(DAY, 0, 0, 0, 5, 0),
    ]
    [tiles] = [
        block
        for block in FIRMS.make(warehouse([firm("a")], rows)).blocks
        if isinstance(block, Tiles)
    ]
    assert tiles.tiles[0].figure.value == 5
    assert tiles.tiles[0].changes == ["no change in 7 days", "+1 (+25.0 %) in 30 days"]
    assert tiles.tiles[0].sparkline is not None


def test_without_the_dashboard_the_rest_is_told() -> None:
    chapter = FIRMS.make(warehouse([firm("a")], dashboard=[]))
    assert missing_in(chapter) == {
        "Health over time": "No data for health over time: marts.harvey_analytics_dashboard has "
        "no row of these 90 days."
    }
    figures = [figure for row in grid_of(chapter, "All firms").rows for figure in row]
    assert any(isinstance(figure, Figure) for figure in figures)


def test_nothing_of_firms_leaves_the_chapter_out() -> None:
    chapter = FIRMS.make(warehouse([firm("a", day=DAY - timedelta(days=1))]))
    assert chapter.absent == (
        "No data for firms: marts.daily_firm_usage_summary has no row of 2024-06-30."
    )
    assert chapter.blocks == ()
