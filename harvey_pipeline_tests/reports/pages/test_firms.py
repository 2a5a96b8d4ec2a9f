"""Pages of firms: what they show is what the tables hold, however many there are."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Link, Page
from harvey_pipeline.reports.pages.firms import firm_pages, unused_cost_usd
from harvey_pipeline.segments.tables import TABLES as SEGMENTS
from harvey_pipeline_tests.reports.chapters.walking import (
    assert_charts_draw,
    column_of,
    grid_of,
    missing_in,
    sentences_of,
)
from harvey_pipeline_tests.reports.pages.reading import (
    assert_page_holds,
    chapter_of,
    chart_of,
    drawn_in,
    tiles_of,
)
from harvey_pipeline_tests.reports.warehouses import figures_over

D = date(2024, 6, 30)
"""A Sunday."""
HOSTILE = "x'); drop table y;-- <script>alert(1)</script>"

Row = Mapping[str, Any]


def firm(firm_id: str, day: date = D, **values: Any) -> Row:
    return {
        "date": day,
        "firm_id": firm_id,
        "active_users": 3,
        "total_queries": 10,
        "active_users_30d": 36,
        "total_queries_30d": 1070,
        "avg_feedback_score_30d": 4.2083,
        "queries_per_active_user_30d": 29.7222,
        "adoption_rate_30d": 75.0,
        "firm_size": 48,
        "arr_usd": 120_000.0,
        "unused_seats_30d": 12,
        "firm_health_status": "Good",
    } | values


def user(user_id: str, firm_id: str | None, score: int, tier: str, **values: Any) -> Row:
    return {
        "date": D,
        "user_id": user_id,
        "firm_id": firm_id,
        "power_user_score": score,
        "power_user_tier": tier,
        "user_role": "Partner",
        "active_days": 12,
        "total_queries": 40,
        "total_documents_processed": 30,
    } | values


def moved_user(user_id: str, before: int, now: int) -> Row:
    return {
        "date": D,
        "user_id": user_id,
        "firm_id": "f1",
        "tier_before": "Power User",
        "tier_now": "High Value User",
        "direction": "down",
        "score_before": before,
        "score_now": now,
        "active_days_weight_before": 100,
        "active_days_weight_now": 60,
        "main_component": "active_days_weight",
        "measure_before": 20,
        "measure_now": 12,
    }


def warehouse(
    firms: list[Row], *, day: date = D, with_segments: bool = True, **rows: list[Row]
) -> Figures:
    tables = {
        TABLES["marts.daily_event_summary"]: [
            {"date": D, "is_covered": True, "total_events": 300},
            {"date": D - timedelta(days=20), "is_covered": False, "is_volume_usual": False},
            *rows.get("days", []),
        ],
        TABLES["marts.daily_firm_usage_summary"]: firms,
        TABLES["marts.daily_user_engagement"]: rows.get("users", []),
        TABLES["marts.tier_changes"]: rows.get("moved", []),
    }
    if with_segments:
        tables[SEGMENTS["segmentation_dashboard"]] = rows.get("boards", [])
    return figures_over(tables, day)


FIRMS = [
    firm("f1"),
    firm("f1", D - timedelta(days=7), active_users_30d=34, adoption_rate_30d=70.8),
    firm(
        "f1",
        D - timedelta(days=30),
        active_users_30d=40,
        total_queries_30d=1000,
        adoption_rate_30d=83.3,
        avg_feedback_score_30d=4.5,
        firm_size=48,
    ),
    firm("f1", D - timedelta(days=90), active_users=99),
    firm(HOSTILE),
    firm("gone", D - timedelta(days=1)),
]


@pytest.fixture(scope="module")
def figures() -> Figures:
    # 26 of the firm: u25 has the most points, u00 the fewest; another firm's, and nobody's.
    people = [
        user(
            f"u{place:02}",
            "f1",
            50 + place,
            "Medium Value User" if place < 10 else "High Value User",
        )
        for place in range(24)
    ]
    people += [user("u24", "f1", 80, "Power User"), user(HOSTILE, "f1", 90, "Power User")]
    people += [user("other", "f2", 95, "Power User"), user("idle", None, 0, "Inactive User")]
    people += [user("early", "f1", 99, "Power User", date=D - timedelta(days=1))]
    board = {
        "tenant_id": "f1",
        "date": date(2024, 6, 24),
        "users": 52,
        "power_users": 1,
        "regular_users": 32,
        "casual_users": 19,
        "churn_high": 3,
        "reclaimable_usd_year": 4_250.0,
    }
    return warehouse(
        FIRMS,
        users=people,
        moved=[moved_user(f"m{place:02}", 82, 66 - place % 2) for place in range(12)],
        boards=[
            board,
            board | {"date": date(2024, 6, 17), "users": 9},
            board | {"tenant_id": "all"},
        ],
    )


@pytest.fixture(scope="module")
def page(figures: Figures) -> Page:
    return firm_pages(figures, ["f1", "gone", "nobody"])["f1"]


def test_a_page_for_each_firm_that_is_there(figures: Figures) -> None:
    assert list(firm_pages(figures, None)) == ["f1", HOSTILE]
    assert list(firm_pages(figures, ["f1", "gone", "nobody"])) == ["f1"]
    assert list(firm_pages(figures, [HOSTILE])) == [HOSTILE]
    assert firm_pages(figures, []) == {}


def test_nothing_is_said_of_a_warehouse_without_firms() -> None:
    days = TABLES["marts.daily_event_summary"]
    assert firm_pages(figures_over({days: []}, D), None) == {}


def test_every_figure_is_the_cell_that_it_names(figures: Figures) -> None:
    for one in firm_pages(figures, None).values():
        assert_page_holds(figures, one)


def test_the_headline_is_told_with_its_changes(page: Page) -> None:
    tiles = tiles_of(page, "now")
    assert {label: str(tile.figure) for label, tile in tiles.items()} == {
        "Health": "Good",
        "ARR": "$120,000",
        "Active users, 30 days": "36",
        "Queries, 30 days": "1,070",
        "Seats": "48",
        "Adoption": "75.0 %",
        "Unused seats": "12",
        # 12 of 48 seats of 120,000 USD.
        "Unused seats cost a year": "$30,000",
    }
    assert tiles["Active users, 30 days"].changes == (
        "+2 (+5.9 %) in 7 days",
        "-4 (-10.0 %) in 30 days",
    )
    assert tiles["Adoption"].changes == ("+4.2 points in 7 days", "-8.3 points in 30 days")
    assert tiles["Health"].changes == ()
    assert tiles["Unused seats cost a year"].figure.cell is None


def test_the_health_is_explained(page: Page) -> None:
    told = (
        "Good: mean score 4.2 and 29.72 queries per active user in 30 days; Excellent takes a "
        "mean score of 4.5"
    )
    assert sentences_of(chapter_of(page, "now"), "Why this health") == [told]
    assert page.lead == f"{told}."
    assert page.title == "Firm f1"
    assert page.day == D


@pytest.mark.parametrize(
    ("seats", "arr", "unused", "cost"),
    [
        (48, 120_000.0, 12, 30_000.0),
        (48, 120_000.0, 0, 0.0),
        (0, 120_000.0, 0, None),
        (None, None, None, None),
    ],
)
def test_what_unused_seats_cost(
    seats: int | None, arr: float | None, unused: int | None, cost: float | None
) -> None:
    row = {"firm_size": seats, "arr_usd": arr, "unused_seats_30d": unused}
    assert unused_cost_usd(row) == cost


@pytest.mark.parametrize(
    ("values", "lead"),
    [
        ({}, "12 of 48 seats are unused, at $30,000 of the ARR a year."),
        (
            {"unused_seats_30d": 1, "firm_size": 12},
            "1 of 12 seats is unused, at $10,000 of the ARR a year.",
        ),
        ({"unused_seats_30d": 0}, "0 of 48 seats are unused."),
        (
            {"firm_size": None, "unused_seats_30d": None, "adoption_rate_30d": None},
            "The number of seats is not known.",
        ),
    ],
)
def test_seats_are_told_in_a_sentence(values: Mapping[str, Any], lead: str) -> None:
    [page] = firm_pages(warehouse([firm("f1", **values)]), None).values()
    assert chapter_of(page, "seats").lead == lead


def test_people_by_tier_and_by_score(page: Page) -> None:
    people = chapter_of(page, "people")
    chart = chart_of(page, "people")
    assert chart.finding == "2 of 26 users are power users (7.7 %)"
    assert drawn_in(chart) == [
        {"tier": "Power User", "users": 2},
        {"tier": "High Value User", "users": 14},
        {"tier": "Medium Value User", "users": 10},
        {"tier": "Low Value User", "users": 0},
        {"tier": "Inactive User", "users": 0},
    ]
    grid = grid_of(people, "Users, the highest score first")
    assert column_of(grid, "User") == [
        HOSTILE,
        "u24",
        *(f"u{place:02}" for place in range(23, 0, -1)),
    ]
    assert grid.left_out == 1
    assert grid.rows[1][0] == Link("u24", "user", "u24")
    assert column_of(grid, "Score")[:2] == ["90", "80"]


def test_who_changed_tier_is_told_by_the_size_of_the_move(page: Page) -> None:
    told = sentences_of(chapter_of(page, "people"), "Who changed tier")
    assert len(told) == 10
    # Of twelve, six fell by 17 and six by 16.
    assert [sentence.endswith("(score 82 to 65)") for sentence in told] == [True] * 6 + [False] * 4


def test_charts_draw_what_they_find(page: Page) -> None:
    for key in ("people", "trend", "seats", "feedback"):
        assert_charts_draw(chapter_of(page, key))
    users, queries = chart_of(page, "trend"), chart_of(page, "trend", 1)
    assert users.finding == "Users active in 30 days fell from 40 to 36 (-10.0 %) in 30 days"
    assert queries.finding == "Queries in 30 days rose from 1,000 to 1,070 (+7.0 %) in 30 days"
    adoption, feedback = chart_of(page, "seats"), chart_of(page, "feedback")
    assert adoption.finding == "Adoption fell from 83.3 % to 75.0 % in 30 days"
    assert feedback.finding == "Mean feedback of 30 days fell from 4.5 to 4.2 (-6.5 %) in 30 days"
    # 90 days back there is a row too: one day too early.
    days = [row["date"][:10] for row in drawn_in(queries)]
    assert days == ["2024-05-31", "2024-06-23", "2024-06-30"]
    assert drawn_in(users)[:2] == [
        {"date": "2024-05-31T00:00:00", "window": "in 30 days", "users": 40},
        {"date": "2024-06-23T00:00:00", "window": "in 30 days", "users": 34},
    ]


def test_incomplete_days_are_marked_and_noted(page: Page) -> None:
    for key, place in (("trend", 0), ("trend", 1), ("seats", 0), ("feedback", 0)):
        chart = chart_of(page, key, place)
        assert chart.note == "1 day is grey: not delivered, or of an unusual volume."
        assert "not delivered" in str(chart.spec["datasets"])


def test_segments_are_those_of_the_last_monday(page: Page) -> None:
    tiles = tiles_of(page, "segments")
    assert {label: str(tile.figure) for label, tile in tiles.items()} == {
        "Users": "52",
        "Power": "1",
        "Regular": "32",
        "Casual": "19",
        "Churn risk high": "3",
        "Churn risk medium": "0",
        "Reclaimable a year": "$4,250",
    }
    assert "2024-06-24" in chapter_of(page, "segments").lead


def test_segments_are_left_out_where_there_are_none() -> None:
    for figures in (warehouse(FIRMS), warehouse(FIRMS, with_segments=False)):
        page = firm_pages(figures, None)["f1"]
        assert [chapter.key for chapter in page.chapters] == [
            "now",
            "people",
            "trend",
            "seats",
            "feedback",
        ]


def test_what_is_missing_is_said() -> None:
    bare = firm(
        "f1",
        avg_feedback_score_30d=None,
        adoption_rate_30d=None,
        firm_size=None,
        arr_usd=None,
        unused_seats_30d=None,
    )
    [page] = firm_pages(warehouse([bare]), None).values()
    assert missing_in(chapter_of(page, "people")) == {
        "Users by tier": "No data for users by tier: nobody worked mostly for this firm in the "
        "30 days up to 2024-06-30."
    }
    assert missing_in(chapter_of(page, "seats")) == {
        "Adoption": "No data for adoption: the number of seats is not known."
    }
    assert missing_in(chapter_of(page, "feedback")) == {
        "Feedback": "No data for feedback: nothing was scored in 30 days on any day from "
        "2024-04-02 to 2024-06-30."
    }
    assert str(tiles_of(page, "now")["ARR"].figure) == "–"
    # Nothing is known of 30 days before.
    assert chart_of(page, "trend").finding == "Users active in 30 days came to 36 on 2024-06-30"


def test_feedback_that_was_given_but_is_not_known_today() -> None:
    earlier = D - timedelta(days=40)
    rows = [firm("f1", avg_feedback_score_30d=None), firm("f1", earlier)]
    [page] = firm_pages(warehouse(rows), None).values()
    assert chart_of(page, "feedback").finding == (
        "Mean feedback of 30 days is not known on 2024-06-30"
    )


def test_a_day_that_is_cut_off_is_no_news() -> None:
    cut = D + timedelta(days=1)
    figures = warehouse(
        [firm("f1"), firm("f1", cut, active_users_30d=5), firm("new", cut)],
        day=cut,
        days=[{"date": cut, "is_covered": True, "is_volume_usual": False, "total_events": 14}],
    )
    pages = firm_pages(figures, None)
    assert list(pages) == ["f1"]
    page = pages["f1"]
    assert page.notes == (
        "2024-07-01 has 14 events, which is unusual for its weekday; 2024-06-30 has 300. "
        "Figures are of 2024-06-30.",
    )
    assert page.day == cut
    assert str(tiles_of(page, "now")["Active users, 30 days"].figure) == "36"
    # The chart goes on to the last day, and says what it is.
    assert drawn_in(chart_of(page, "trend", 1))[-1]["date"] == "2024-07-01T00:00:00"
    assert chart_of(page, "trend", 1).note.startswith("2 days are grey")


def test_effort_does_not_grow_with_the_number_of_firms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a query, or a chart made anew, for each firm."""
    counts = {"rows": 0, "finish": 0}

    def counting(name: str, given: Any) -> Any:
        def count(*args: Any, **options: Any) -> Any:
            counts[name] += 1
            return given(*args, **options)

        return count

    monkeypatch.setattr(Figures, "rows", counting("rows", Figures.rows))
    monkeypatch.setattr(charts, "finish", counting("finish", charts.finish))
    found = []
    for size in (1, 7):
        people = [user(f"u{place}", f"f{place}", 90, "Power User") for place in range(size)]
        figures = warehouse([firm(f"f{place}") for place in range(size)], users=people)
        counts.update(rows=0, finish=0)
        assert len(firm_pages(figures, None)) == size
        found.append(dict(counts))
    assert found[0] == found[1]
    assert found[0]["finish"] == 5
