"""Pages of users: what they show is what the tables hold, however many there are."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.explaining import explain_user
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Grid, Link, Page, Statements
from harvey_pipeline.reports.pages.users import user_pages
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
OPEN = date(9999, 12, 31)

Row = Mapping[str, Any]

# 24 + 18 + 30 = 72.
SCORED: Row = {
    "active_days": 14,
    "total_documents_processed": 30,
    "unique_event_types": 3,
    "active_days_weight": 60,
    "document_volume_weight": 60,
    "feature_breadth_weight": 100,
    "power_user_score": 72,
    "power_user_tier": "High Value User",
}


def user(user_id: str, day: date = D, **values: Any) -> Row:
    return {
        "date": day,
        "user_id": user_id,
        "firm_id": "f1",
        "firm_count": 1,
        "user_role": "Partner",
        "user_created_date": date(2024, 1, 2),
        "total_queries": 40,
        "engagement_level": "Mid Frequency User",
        "usage_pattern": "Balanced Usage",
        "last_activity_date": D,
        **SCORED,
    } | values


def activity(user_id: str, day: date, queries: int, **values: Any) -> Row:
    return {"date": day, "user_id": user_id, "firm_id": "f1", "queries": queries} | values


def version(user_id: str, role: str | None, first: date, last: date = OPEN) -> Row:
    return {
        "user_dim_key": f"{user_id}_{first:%Y%m%d}",
        "user_id": user_id,
        "user_role": role,
        "effective_start_date": first,
        "effective_end_date": last,
        "is_current": last == OPEN,
    }


def segment(user_id: str, day: date, name: str, score: float) -> Row:
    return {
        "date": day,
        "user_id": user_id,
        "segment": name,
        "engagement_score": score,
        "reasoning": f"{name.title()} user.",
        "evidence": ["Frequency: 9 accesses", "Recency: today"],
    }


def warehouse(
    users: list[Row], *, day: date = D, with_segments: bool = True, **rows: list[Row]
) -> Figures:
    tables = {
        TABLES["marts.daily_event_summary"]: [
            {"date": D, "is_covered": True, "total_events": 300},
            {"date": date(2024, 6, 4), "is_covered": True, "is_volume_usual": False},
            *rows.get("days", []),
        ],
        TABLES["marts.daily_user_engagement"]: users,
        TABLES["core.user_daily_activity"]: rows.get("activity", []),
        TABLES["core.dim_user"]: rows.get("versions", []),
        TABLES["marts.tier_changes"]: rows.get("moves", []),
    }
    if with_segments:
        tables[SEGMENTS["user_segments"]] = rows.get("segments", [])
    return figures_over(tables, day)


LOW = {"power_user_tier": "Low Value User", "power_user_score": 30, "active_days": 2}


@pytest.fixture(scope="module")
def figures() -> Figures:
    return warehouse(
        [
            user("u1"),
            user("u1", D - timedelta(days=1)),
            user("u1", D - timedelta(days=7), power_user_score=66, total_queries=50),
            user("u1", D - timedelta(days=30), **LOW),
            user("u1", D - timedelta(days=89), power_user_tier="Medium Value User"),
            user("u1", D - timedelta(days=90), **LOW),
            user(HOSTILE),
            user("gone", D - timedelta(days=1)),
            user("other"),
        ],
        activity=[
            # The calendar begins on the Monday of 26 weeks: 2024-01-01.
            activity("u1", date(2023, 12, 31), 99),
            activity("u1", date(2024, 1, 1), 2),
            activity("u1", date(2024, 6, 26), 3, documents=4),
            activity("u1", date(2024, 6, 26), 4, firm_id="f2", documents=1),
            activity("u1", D, 5),
            activity("other", D, 50),
        ],
        versions=[
            version("u1", "Associate", date(2024, 1, 2), date(2024, 3, 9)),
            version("u1", "Partner", date(2024, 4, 1)),
            version("u1", "Junior Associate", D + timedelta(days=1)),
            version("other", None, date(2024, 1, 2)),
        ],
        segments=[
            segment("u1", date(2024, 6, 24), "power", 0.8125),
            segment("u1", date(2024, 6, 17), "regular", 0.5),
            segment("u1", date(2023, 12, 25), "casual", 0.1),
            segment("u1", date(2024, 7, 1), "casual", 0.1),
        ],
    )


@pytest.fixture(scope="module")
def page(figures: Figures) -> Page:
    return user_pages(figures, ["u1", "gone", "nobody"])["u1"]


def test_a_page_for_each_user_who_is_there(figures: Figures) -> None:
    assert list(user_pages(figures, ["u1", "gone", "nobody", HOSTILE])) == ["u1", HOSTILE]
    assert user_pages(figures, []) == {}


def test_nothing_is_said_of_a_warehouse_without_users() -> None:
    days = TABLES["marts.daily_event_summary"]
    assert user_pages(figures_over({days: []}, D), ["u1"]) == {}


def test_every_figure_is_the_cell_that_it_names(figures: Figures) -> None:
    for one in user_pages(figures, ["u1", "other", HOSTILE]).values():
        assert_page_holds(figures, one)


def test_the_headline_is_told_with_its_changes(page: Page) -> None:
    tiles = tiles_of(page, "score")
    assert {label: str(tile.figure) for label, tile in tiles.items()} == {
        "Score": "72",
        "Tier": "High Value User",
        "Active days": "14",
        "Queries": "40",
        "Documents": "30",
        "Event types": "3",
        "Mean feedback": "–",
        "Last active": "2024-06-30",
    }
    assert tiles["Score"].changes == ("+6 (+9.1 %) in 7 days", "+42 (+140.0 %) in 30 days")
    assert tiles["Queries"].changes == ("-10 (-20.0 %) in 7 days", "no change in 30 days")
    assert tiles["Tier"].changes == tiles["Last active"].changes == ()


def test_the_score_is_explained_as_everywhere(page: Page) -> None:
    told = sentences_of(chapter_of(page, "score"), "Why, and what would change it")
    assert told == [one.sentence for one in explain_user(user("u1"))]
    assert told[4] == (
        "14 active days earn 60 of 100; one more earns 80 and lifts the score from 72 to 80: "
        "Power User"
    )
    assert page.lead == ("Score 72 of 100 in the 30 days up to 2024-06-30: High Value User.")
    assert page.title == "User u1"


def test_a_change_of_tier_is_told_with_the_score() -> None:
    change = {
        "date": D,
        "user_id": "u1",
        "tier_before": "Medium Value User",
        "tier_now": "High Value User",
        "direction": "up",
        "score_before": 56,
        "score_now": 72,
        "active_days_weight_before": 20,
        "active_days_weight_now": 60,
        "main_component": "active_days_weight",
        "measure_before": 3,
        "measure_now": 14,
    }
    moves: list[Row] = [
        change,
        change | {"date": D - timedelta(days=1)},
        change | {"user_id": "other"},
    ]
    [page] = user_pages(warehouse([user("u1")], moves=moves), ["u1"]).values()
    told = sentences_of(chapter_of(page, "score"), "Why, and what would change it")
    assert len(told) == 7
    assert told[6] == (
        "Rose from Medium Value User to High Value User: active days went from 3 to 14 in 30 "
        "days, which took the component from 20 to 60 (score 56 to 72)"
    )


def test_the_components_of_the_score_are_drawn(page: Page) -> None:
    chart = chart_of(page, "score")
    assert chart.finding == "72 of 100 points; most is to be had from active days (16 points)"
    assert [(row["component"], row["part"], row["points"]) for row in drawn_in(chart)] == [
        ("active days", "earned", 24),
        ("documents", "earned", 18),
        ("event types", "earned", 30),
        ("active days", "missing", 16),
        ("documents", "missing", 12),
        ("event types", "missing", 0),
    ]


def test_a_full_score_lacks_nothing() -> None:
    full: dict[str, Any] = {name: 100 for name in SCORED if name.endswith("_weight")}
    best = user("u1", **full, power_user_score=100, power_user_tier="Power User", active_days=20)
    [page] = user_pages(warehouse([best]), ["u1"]).values()
    assert chart_of(page, "score").finding == "100 of 100 points; none is missing"


def test_who_it_is(page: Page) -> None:
    grid = grid_of(chapter_of(page, "score"), "Who this is")
    assert grid.rows[0][0] == Link("f1", "firm", "f1")
    assert column_of(grid, "Account since") == ["2024-01-02"]
    [idle] = user_pages(warehouse([user("u1", firm_id=None)]), ["u1"]).values()
    assert grid_of(chapter_of(idle, "score"), "Who this is").rows[0][0] is None


def test_the_calendar_is_by_week_and_weekday(page: Page) -> None:
    chart = chart_of(page, "activity")
    # 2 + 7 + 5 queries; 26 weeks are 182 days.
    assert chart.finding == "14 queries on 3 of 182 days, 0.1 days a week"
    assert [
        (row["date"][:10], row["week"], row["weekday"], row["queries"], row["documents"])
        for row in drawn_in(chart)
    ] == [
        ("2024-01-01", "01 Jan", "Mon", 2, 0),
        ("2024-06-26", "24 Jun", "Wed", 7, 5),
        ("2024-06-30", "24 Jun", "Sun", 5, 0),
    ]
    weeks = chart.spec["layer"][1]["encoding"]["x"]["scale"]["domain"]
    assert (len(weeks), weeks[0], weeks[-1]) == (26, "01 Jan", "24 Jun")
    assert chart.note == "1 day is grey: not delivered, or of an unusual volume."
    assert {"week": "03 Jun", "weekday": "Tue"}.items() <= next(
        row for name, rows in chart.spec["datasets"].items() if name != "rows" for row in rows
    ).items()


def test_the_tier_of_each_day(page: Page) -> None:
    chart = chart_of(page, "history")
    # Medium (a day 89 days back), Low, High: 90 days back is one too early.
    assert chart.finding == "High Value User, with 2 changes of tier in 5 days"
    assert [row["power_user_tier"] for row in drawn_in(chart)] == [
        "Medium Value User",
        "Low Value User",
        *["High Value User"] * 3,
    ]
    [steady] = user_pages(warehouse([user("u1")]), ["u1"]).values()
    assert chart_of(steady, "history").finding == ("High Value User, without a change in 1 day")


def test_the_history_of_the_role(page: Page) -> None:
    grid = grid_of(chapter_of(page, "history"), "Roles, the latest first")
    assert [[str(entry) for entry in row] for row in grid.rows] == [
        ["Partner", "2024-04-01", "open"],
        ["Associate", "2024-01-02", "2024-03-09"],
    ]


def test_the_history_of_the_segment(page: Page) -> None:
    chart = chart_of(page, "history", 1)
    assert chart.finding == "Segment power on 2024-06-24, with a score of 0.812"
    assert [(row["date"][:10], row["segment"]) for row in drawn_in(chart)] == [
        ("2024-06-17", "regular"),
        ("2024-06-24", "power"),
    ]
    [why] = [block for block in chapter_of(page, "history").blocks if isinstance(block, Statements)]
    assert why.statements[0].sentence == "Power user."
    assert why.statements[0].evidence == "Frequency: 9 accesses; Recency: today"


def test_what_is_not_there_is_said_or_left_out() -> None:
    for figures in (warehouse([user("u1")]), warehouse([user("u1")], with_segments=False)):
        [page] = user_pages(figures, ["u1"]).values()
        assert missing_in(chapter_of(page, "activity")) == {
            "Activity calendar": "No data for activity: no query from 2024-01-01 to 2024-06-30."
        }
        assert missing_in(chapter_of(page, "history")) == {
            "Roles": "No data for roles: core.dim_user has no version of this user."
        }
        assert not [
            block
            for block in chapter_of(page, "history").blocks
            if isinstance(block, Statements | Grid)
        ]


def test_all_charts_are_valid(page: Page) -> None:
    for key in ("score", "activity", "history"):
        assert_charts_draw(chapter_of(page, key))


def test_a_day_that_is_cut_off_is_no_news() -> None:
    cut = D + timedelta(days=1)
    figures = warehouse(
        [user("u1"), user("u1", cut, power_user_score=12), user("new", cut)],
        day=cut,
        days=[{"date": cut, "is_covered": True, "is_volume_usual": False, "total_events": 14}],
    )
    pages = user_pages(figures, ["u1", "new"])
    assert list(pages) == ["u1"]
    assert str(tiles_of(pages["u1"], "score")["Score"].figure) == "72"
    assert pages["u1"].notes[0].endswith("Figures are of 2024-06-30.")


def test_effort_does_not_grow_with_the_number_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a query, or a chart made anew, for each user."""
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
        ids = [f"u{place}" for place in range(size)]
        figures = warehouse(
            [user(one) for one in ids],
            activity=[activity(one, D, 1) for one in ids],
            versions=[version(one, "Partner", D) for one in ids],
            segments=[segment(one, date(2024, 6, 24), "power", 0.8) for one in ids],
        )
        counts.update(rows=0, finish=0)
        assert len(user_pages(figures, ids)) == size
        found.append(dict(counts))
    assert found[0] == found[1]
    assert found[0]["finish"] == 4
