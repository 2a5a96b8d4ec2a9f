"""The chapter of segments, on warehouses whose figures are known by hand."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from harvey_pipeline.engagement.tables import TABLES as ENGAGEMENT_TABLES
from harvey_pipeline.reports.chapters.segments import SEGMENTS
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Chapter, Chart, Tiles
from harvey_pipeline.segments.tables import TABLES
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

DAY = date(2024, 6, 30)
MONDAY = date(2024, 6, 24)
EVENTS = ENGAGEMENT_TABLES["marts.daily_event_summary"]

HOSTILE = (
    "<script>alert(1)</script>",
    "'; drop table segments.user_segments; --",
    'a"b\\" + datum.x + "',
    "\u202eשלום",
    "long" * 500,
)

Rows = dict[str, list[dict[str, Any]]]


def board(tenant: str = "all", day: date = MONDAY, **columns: Any) -> dict[str, Any]:
    return {
        "date": day,
        "tenant_id": tenant,
        "users": 10,
        "power_users": 2,
        "regular_users": 5,
        "casual_users": 3,
        "power_percent": 20.0,
        "regular_percent": 50.0,
        "casual_percent": 30.0,
        **columns,
    }


def user(name: str, segment: str, kind: str, **columns: Any) -> dict[str, Any]:
    return {
        "date": MONDAY,
        "user_id": name,
        "tenant_id": "firm-a",
        "segment": segment,
        "sub_segment": kind,
        "churn_risk": "very_low",
        "evidence": ["Frequency: 9 accesses", "Depth: 3 minutes"],
        "reasoning": f"{name} is {segment}.",
        **columns,
    }


def score(name: str, last: float, middle: float, first: float) -> dict[str, Any]:
    """Scores of the last 30 days, of those before, and of the first 30 of 90."""
    return {
        "date": MONDAY,
        "user_id": name,
        "score_30d": last,
        "score_30_60d": middle,
        "score_60_90d": first,
        "last_access_days_ago": 12,
    }


def licence(tenant: str, app: str, **columns: Any) -> dict[str, Any]:
    return {
        "date": MONDAY,
        "tenant_id": tenant,
        "app": app,
        "tier": "seat",
        "licenses": 10,
        "is_measured": True,
        **columns,
    }


def advice(name: str, rule: str, priority: str, hours: float, usd: float) -> dict[str, Any]:
    return {
        "date": MONDAY,
        "user_id": name,
        "rule_id": rule,
        "category": f"About {rule}",
        "suggestion": f"Do {rule}.",
        "priority": priority,
        "estimated_time_savings_hours_month": hours,
        "implementation_cost_usd_year": usd,
    }


def cohort(month: date, segment: str, after: int, rate: float | None) -> dict[str, Any]:
    return {
        "activity_month": month,
        "tenant_id": "all",
        "segment": segment,
        "months_after": after,
        "cohort_size": 10,
        "same_segment": None if rate is None else round(rate / 10),
        "same_segment_rate": rate,
        "top_quartile_rate": rate,
        "inactive_rate": None if rate is None else 0.0,
    }


def told(day: date, risk: str, users: int, churned: int | None) -> dict[str, Any]:
    return {
        "date": day,
        "tenant_id": "all",
        "churn_risk": risk,
        "users": users,
        "churned": churned,
        "precision": 100 * churned / users if users and churned is not None else None,
    }


def effect(
    kind: str,
    metric: str,
    difference: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    month: date = date(2024, 3, 1),
    **columns: Any,
) -> dict[str, Any]:
    return {
        "activity_month": month,
        "kind": kind,
        "segment": "all",
        "metric": metric,
        "treatment_n": 40,
        "control_n": 31,
        "difference": difference,
        "ci_low": low,
        "ci_high": high,
        "is_reliable": True,
        **columns,
    }


def all_rows() -> Rows:
    """Ten users of two tenants, one of which is held back."""
    backtested = date(2024, 5, 27)
    april, may, june = date(2024, 4, 1), date(2024, 5, 1), date(2024, 6, 1)
    money: dict[str, Any] = {
        "reclaimable_usd_year": 5_000.0,
        "total_usd_year": 9_000.0,
        "net_usd_year": 8_500.0,
    }
    return {
        "segmentation_dashboard": [
            board(day=MONDAY - timedelta(days=28), churn_high=4, power_users=1, **money),
            board(day=MONDAY - timedelta(days=7), churn_high=1, **money),
            board(churn_high=2, churn_medium=1, casual_percent_change_28d=10.0, **money),
            board("firm-b", users=4, is_held_back=True),
            board("firm-a", users=6),
        ],
        "user_segments": [
            user("p1", "power", "Power Generalist"),
            user("p2", "power", "Power Generalist", churn_risk="high"),
            *(user(f"r{place}", "regular", "Steady Regular") for place in range(4)),
            user("r4", "regular", "At-risk Churn", churn_risk="high"),
            user("c1", "casual", "Dormant", churn_risk="medium", tenant_id="firm-b"),
            user("c2", "casual", "Dormant", churn_risk=None),
            user("c3", "casual", "Occasional", churn_risk="low"),
        ],
        "engagement_scores": [
            score("p2", 0.2, 0.9, 0.7),
            score("r4", 0.1, 0.6, 0.4),
            score("c1", 0.0, 0.3, 0.1),
            score("p1", 0.9, 0.9, 0.9),
        ],
        "license_opportunities": [
            licence("firm-a", "docs", unused=1, reclaimable_usd=1_000.0, underused_usd=0.0),
            licence("firm-a", "product", unused=4, reclaimable_usd=4_000.0, underused_usd=600.0),
            licence("firm-b", "product", unused=0, reclaimable_usd=0.0, underused_usd=0.0),
            licence("firm-b", "crm", is_measured=False),
        ],
        "roi_summary": [
            {
                "date": MONDAY,
                "tenant_id": "firm-a",
                "power_savings_usd_year": 3_000.0,
                "power_cost_usd_year": 400.0,
                "reclaimable_usd_year": 5_000.0,
                "conversion_usd_year": 600.0,
                "conversion_cost_usd_year": 60.0,
            },
            {
                "date": MONDAY,
                "tenant_id": "firm-b",
                "power_savings_usd_year": 400.0,
                "conversion_cost_usd_year": 40.0,
            },
        ],
        "recommendations": [
            advice("p1", "widen_tools", "medium", 2.0, 0.0),
            advice("p2", "widen_tools", "medium", 2.0, 0.0),
            advice("r1", "widen_tools", "medium", 2.0, 0.0),
            advice("p2", "check_in", "high", 0.0, 0.0),
            advice("p1", "workflow_automation", "high", 7.5, 600.0),
        ],
        "stability": [
            cohort(april, "power", 1, 90.0),
            cohort(april, "casual", 1, 60.0),
            cohort(april, "power", 2, 80.0),
            cohort(april, "casual", 2, 50.0),
            cohort(april, "power", 3, 10.0),  # July was not run on 30 June
            cohort(may, "power", 1, 100.0),
            cohort(may, "power", 2, None),
            cohort(june, "power", 1, None),
        ],
        "churn_backtest": [
            told(date(2024, 6, 3), "high", 1, 1),  # its 30 days end on 3 July
            told(backtested, "high", 2, 1),
            told(backtested, "medium", 2, 1),
            told(backtested, "low", 0, 0),
            told(backtested, "very_low", 6, 0),
            told(date(2024, 5, 20), "high", 5, 5),
        ],
        "evaluation": [
            {
                "date": MONDAY,
                "tenant_id": "all",
                "labelled_users": 5,
                "correct": 4,
                "accuracy": 80.0,
                "unmatched_labels": 1,
                "is_met": False,
            }
        ],
        "ab_readout": [
            effect("all", "hours_saved", 2.0, 0.5, 3.5),
            effect("training", "hours_saved", 1.5, -0.5, 3.5, treatment_n=20, is_reliable=False),
            effect("all", "hours_saved", None, month=april),  # newer, and cannot be compared
            effect("all", "hours_saved", 9.0, 8.0, 10.0, month=date(2024, 7, 1)),
            effect("all", "satisfaction", -0.2, -0.9, 0.5),
            effect("all", "conversion", 0.1),  # nothing varies
        ],
    }


def warehouse(rows: Mapping[str, Sequence[Mapping[str, Any]]], day: date = DAY) -> Figures:
    tables: dict[Table, Sequence[Mapping[str, Any]]] = {
        TABLES[name]: some for name, some in rows.items()
    }
    quiet = {"date": date(2024, 6, 12), "is_covered": False, "is_volume_usual": False}
    return figures_over(tables | {EVENTS: [quiet]}, day)


def chapter_with(**rows: list[dict[str, Any]]) -> Chapter:
    return SEGMENTS.make(warehouse(all_rows() | rows))


def finding_with(chapter: Chapter, words: str) -> str:
    [chart] = [one for one in charts_in(chapter) if words in one.finding]
    return chart.finding


@pytest.fixture(scope="module")
def figures() -> Figures:
    return warehouse(all_rows())


@pytest.fixture(scope="module")
def whole(figures: Figures) -> Chapter:
    return SEGMENTS.make(figures)


def test_figures_are_their_cells_and_charts_draw(figures: Figures, whole: Chapter) -> None:
    assert_cells_hold(figures, whole)
    assert_charts_draw(whole)
    assert missing_in(whole) == {}


def test_lead_says_which_monday(whole: Chapter) -> None:
    assert whole.lead == (
        "Segments of Monday 2024-06-24, the latest up to 2024-06-30 that was computed: 10 users of "
        "2 tenants. 1 tenant has segments held back, as many users changed at once."
    )


def test_findings(whole: Chapter) -> None:
    assert [chart.finding for chart in charts_in(whole)] == [
        "10 users: 2 power (20.0 %), 5 regular (50.0 %) and 3 casual (30.0 %); casual +10.0 points "
        "in 28 days",
        "The largest kinds of users are Steady Regular (4), Dormant (2) and Power Generalist (2)",
        "2 users are at high and 1 at medium risk of leaving; high risk: -2 (-50.0 %) in 28 days",
        "Unused licences and seats cost $5,000 a year, those used on 1 or 2 days of 90 $600",
        "Acting on the segments is worth $8,500 a year net, estimated: gains of $9,000, most from "
        "idle licences ($5,000)",
        "Recommended to most users: widen tools (3); estimated to save most time: workflow "
        "automation (8 hours a month)",
        "2 months after April 2024, 80.0 % of power users and 50.0 % of casual users were still in "
        "their segment",
        "2 of 4 users (50.0 %) at high or medium risk and 0 of 6 users (0.0 %) at lower risk on "
        "2024-05-27 left within 30 days",
        "Hours saved a month, all interventions: +2.0 against control (95 % interval 0.5 to 3.5)",
        "Satisfaction, 1 to 5, all interventions: -0.200 against control (95 % interval -0.900 to "
        "0.500), which may be chance",
    ]


def test_tiles_compare_with_a_week_and_four_before(whole: Chapter) -> None:
    [tiles] = [block for block in whole.blocks if isinstance(block, Tiles)]
    assert [(tile.label, str(tile.figure), list(tile.changes)) for tile in tiles.tiles] == [
        ("Power users", "2", ["no change in 7 days", "+1 (+100.0 %) in 28 days"]),
        ("Regular users", "5", ["no change in 7 days", "no change in 28 days"]),
        ("Casual users", "3", ["no change in 7 days", "no change in 28 days"]),
        (
            "At high risk of leaving",
            "2",
            ["+1 (+100.0 %) in 7 days", "-2 (-50.0 %) in 28 days"],
        ),
        (
            "Idle licences and seats, a year",
            "$5,000",
            ["no change in 7 days", "no change in 28 days"],
        ),
        ("Net return, a year", "$8,500", ["no change in 7 days", "no change in 28 days"]),
    ]


def test_drift_is_drawn_over_mondays_and_marks_what_is_incomplete(whole: Chapter) -> None:
    drift = charts_in(whole)[0]
    drawn = {
        (row["date"][:10], row["series"], row["value"]) for row in drift.spec["datasets"]["rows"]
    }
    days = ("2024-05-27", "2024-06-17", "2024-06-24")
    shares = (("power", 20.0), ("regular", 50.0), ("casual", 30.0))
    assert drawn == {(day, *share) for day in days for share in shares}
    assert drift.note == "1 day is grey: not delivered, or of an unusual volume."


def test_churn_list_is_by_risk_then_by_the_score_before(whole: Chapter) -> None:
    """Of p2 (0.9 + 0.7) / 2, of r4 (0.6 + 0.4) / 2, of c1 (0.3 + 0.1) / 2."""
    grid = grid_of(whole, "Users at risk of leaving")
    assert column_of(grid, "User") == ["p2", "r4", "c1"]
    assert column_of(grid, "Tenant") == ["firm-a", "firm-a", "firm-b"]
    assert column_of(grid, "Risk") == ["high", "high", "medium"]
    assert column_of(grid, "Score before") == ["0.800", "0.500", "0.200"]
    assert column_of(grid, "Score, 30 days") == ["0.200", "0.100", "0.000"]
    assert column_of(grid, "Evidence")[0] == "Frequency: 9 accesses; Depth: 3 minutes"
    assert column_of(grid, "Why")[2] == "c1 is casual."


def test_tenants_are_a_grid_and_all_is_none_of_them(whole: Chapter) -> None:
    grid = grid_of(whole, "Tenants")
    assert column_of(grid, "Tenant") == ["firm-a", "firm-b"]
    assert column_of(grid, "Held back") == ["no", "yes"]


def test_idle_licences_by_tenant(whole: Chapter) -> None:
    chart = charts_in(whole)[3]
    assert [tuple(row.values()) for row in chart.spec["datasets"]["rows"]] == [
        ("firm-a", "Unused", 5_000.0),
        ("firm-a", "Used on 1 or 2 days", 600.0),
    ]
    assert chart.note == "1 tenant with less, or nothing, not drawn."
    grid = grid_of(whole, "Licence opportunities")
    assert column_of(grid, "App") == ["product", "docs", "product", "crm"]
    assert column_of(grid, "Unused, USD a year") == ["$4,000", "$1,000", "$0", "–"]


def test_return_is_gains_and_costs(whole: Chapter) -> None:
    rows = charts_in(whole)[4].spec["datasets"]["rows"]
    assert [(row["what"], row["usd"]) for row in rows] == [
        ("Idle licences", 5_000.0),
        ("Power users' hours", 3_400.0),
        ("Casual made regular", 600.0),
        ("Helping power users", -400.0),
        ("Helping casual users", -100.0),
    ]


def test_interventions_are_counted_by_rule(whole: Chapter) -> None:
    grid = grid_of(whole, "Recommended interventions")
    assert column_of(grid, "Intervention") == ["widen tools", "check in", "workflow automation"]
    assert column_of(grid, "Users") == ["3", "1", "1"]
    assert column_of(grid, "Hours a month") == ["6.0", "0.0", "7.5"]
    assert column_of(grid, "Cost, USD a year") == ["$0", "$0", "$600"]
    assert column_of(grid, "What to do")[0] == "Do widen_tools."


def test_stability_tells_months_that_were_over_on_the_day(whole: Chapter) -> None:
    grid = grid_of(whole, "Stability")
    columns = [column_of(grid, name) for name in ("Month", "Segment", "Months after")]
    assert list(zip(*columns, strict=True)) == [
        ("2024-05-01", "power", "1"),
        ("2024-04-01", "casual", "1"),
        ("2024-04-01", "casual", "2"),
        ("2024-04-01", "power", "1"),
        ("2024-04-01", "power", "2"),
    ]


def test_backtest_leaves_out_risks_of_nobody(whole: Chapter) -> None:
    grid = grid_of(whole, "Back-test of the churn risk")
    assert column_of(grid, "Risk") == ["high", "medium", "very_low"]
    assert column_of(grid, "Precision") == ["50.0 %", "50.0 %", "0.0 %"]


def test_segments_against_labels(whole: Chapter) -> None:
    assert sentences_of(whole, "Segments against labels") == [
        "4 of 5 labelled users have the segment of their label (80.0 %); the target of more than "
        "85 % is missed."
    ]


def test_intervals_are_drawn_where_they_are_known(whole: Chapter) -> None:
    hours = charts_in(whole)[8]
    rows = hours.spec["datasets"]["rows"]
    assert [(row["what"], row["ci_low"], row["difference"], row["ci_high"]) for row in rows] == [
        ("all interventions", 0.5, 2.0, 3.5),
        ("training", -0.5, 1.5, 3.5),
    ]
    assert hours.note == "Too few users to rely on: fewer than 30 in a group of 1 of 2."
    grid = grid_of(whole, "Experiments")
    assert column_of(grid, "Intervention") == ["all", "all", "training", "all"]
    assert column_of(grid, "Difference") == ["0.100", "2.000", "1.500", "-0.200"]
    assert column_of(grid, "From") == ["–", "0.500", "-0.500", "-0.900"]


# --- less than all -------------------------------------------------------------------------------


def test_one_of_everything_is_singular() -> None:
    one = board(users=1, power_users=0, regular_users=1, casual_users=0, churn_high=1)
    chapter = chapter_with(
        segmentation_dashboard=[one, board("firm-a", users=1)],
        user_segments=[user("r", "regular", "Steady Regular")],
    )
    assert chapter.lead.endswith("1 user of 1 tenant.")
    assert finding_with(chapter, "kind of").endswith(
        "The largest kind of user is Steady Regular (1)"
    )
    assert finding_with(chapter, "is at high").startswith("1 user is at high and 0 at medium risk")


def test_nobody_at_risk() -> None:
    chapter = chapter_with(user_segments=[user("r", "regular", "Steady Regular")])
    assert sentences_of(chapter, "Users at risk of leaving") == [
        "Nobody is at high or medium risk of leaving."
    ]


def test_churn_list_is_cut_at_fifty() -> None:
    names = [f"u{place:02}" for place in range(53)]
    chapter = chapter_with(
        user_segments=[user(name, "regular", "Dormant", churn_risk="medium") for name in names],
        engagement_scores=[],
    )
    grid = grid_of(chapter, "Users at risk of leaving")
    assert column_of(grid, "User") == names[:50]
    assert grid.left_out == 3


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("user_segments", "Kinds of users"),
        ("license_opportunities", "Licence opportunities"),
        ("roi_summary", "Return"),
        ("recommendations", "Recommended interventions"),
        ("stability", "Stability"),
        ("churn_backtest", "Back-test of the churn risk"),
        ("evaluation", "Segments against labels"),
        ("ab_readout", "Experiments"),
    ],
)
@pytest.mark.parametrize("is_there", [True, False])
def test_an_empty_table_is_told(name: str, title: str, is_there: bool) -> None:
    """Also one that was never computed."""
    rows = all_rows()
    if is_there:
        rows[name] = []
    else:
        del rows[name]
    figures = warehouse(rows)
    chapter = SEGMENTS.make(figures)
    assert missing_in(chapter)[title].startswith(f"No data for {title.lower()}: ")
    assert_cells_hold(figures, chapter)


def test_nothing_measured_is_no_waste() -> None:
    chapter = chapter_with(license_opportunities=[licence("firm-a", "crm", is_measured=False)])
    assert missing_in(chapter) == {
        "Idle licences and seats": "No data for idle licences and seats: no app is measured on "
        "2024-06-24, or what it costs is not known."
    }
    assert column_of(grid_of(chapter, "Licence opportunities"), "Unused, USD a year") == ["–"]


def test_nothing_idle_is_told_and_not_drawn() -> None:
    chapter = chapter_with(
        license_opportunities=[
            licence("firm-a", "product", unused=0, reclaimable_usd=0.0, underused_usd=0.0)
        ]
    )
    assert sentences_of(chapter, "Idle licences and seats") == ["No licence and no seat lies idle."]


def test_no_return_is_told_and_not_drawn() -> None:
    chapter = chapter_with(
        segmentation_dashboard=[board()], roi_summary=[{"date": MONDAY, "tenant_id": "firm-a"}]
    )
    assert sentences_of(chapter, "Return") == [
        "Acting on the segments is worth $0 a year net, estimated: gains of $0."
    ]
    assert missing_in(chapter) == {
        "Tenants": "No data for tenants: no tenant has a row of its own."
    }


@pytest.mark.parametrize(
    ("day", "monday"),
    [
        (date(2024, 6, 24), MONDAY),
        (date(2024, 6, 23), date(2024, 6, 17)),
        (date(2024, 7, 21), MONDAY),
        (date(2024, 7, 22), None),
        (date(2024, 5, 26), None),
    ],
)
def test_latest_monday_of_four_weeks(day: date, monday: date | None) -> None:
    chapter = SEGMENTS.make(warehouse(all_rows(), day))
    if monday is None:
        first = day - timedelta(days=27)
        assert chapter.absent == (
            f"No data for segments: no Monday from {first} to {day} has a row in "
            "segments.segmentation_dashboard."
        )
        assert chapter.blocks == ()
    else:
        assert chapter.lead.startswith(f"Segments of Monday {monday}, the latest up to {day} ")


def test_without_its_tables_the_chapter_is_left_out() -> None:
    assert SEGMENTS.make(warehouse({})).absent.startswith("No data for segments: ")


def test_hostile_texts_stay_data() -> None:
    rows = all_rows()
    rows["segmentation_dashboard"] = [board(), *(board(name) for name in HOSTILE)]
    rows["user_segments"] = [
        user(
            name,
            *("regular", "At-risk Churn"),
            churn_risk="high",
            tenant_id=name,
            evidence=[name],
            reasoning=name,
        )
        for name in HOSTILE
    ]
    rows["license_opportunities"] = [
        licence(name, name, tier=name, unused=1, reclaimable_usd=1.0) for name in HOSTILE
    ]
    rows["recommendations"] = [
        advice(name, name, "high", 1.0, 1.0) | {"category": name, "suggestion": name}
        for name in HOSTILE
    ]
    rows["ab_readout"] = [effect(name, "hours_saved", 1.0, 0.0, 2.0) for name in HOSTILE]
    figures = warehouse(rows)
    chapter = SEGMENTS.make(figures)
    assert_cells_hold(figures, chapter)
    assert_charts_draw(chapter)
    assert set(column_of(grid_of(chapter, "Users at risk of leaving"), "User")) == set(HOSTILE)
    assert set(column_of(grid_of(chapter, "Tenants"), "Tenant")) == set(HOSTILE)
    for chart in charts_in(chapter):
        assert not names_in_code_of(chart)
        assert len(chart.finding) < 400


def names_in_code_of(chart: Chart) -> list[str]:
    """Hostile texts in a spec beside its data."""
    code = json.dumps({**chart.spec, "datasets": {}}, ensure_ascii=False)
    return [name for name in HOSTILE if json.dumps(name, ensure_ascii=False)[1:-1][:50] in code]
