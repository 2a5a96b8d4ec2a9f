"""The chapter of the agents, over rows made by hand."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import vl_convert

from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.reports.chapters.agents import AGENTS
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Chapter, Chart, Grid, Tiles
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

DAYS = TABLES["daily_agent_summary"]
PERFORMANCE = TABLES["daily_agent_performance"]
CALIBRATION = TABLES["daily_confidence_calibration"]
DRAFTS = TABLES["fact_agent_approval"]
QUERIES = TABLES["fact_agent_query"]
ANNOTATIONS = TABLES["fact_training_feedback"]
AGENT_TYPES = TABLES["dim_agent_type"]
ANNOTATORS = TABLES["dim_annotator"]
SHOPS = TABLES["dim_shop"]

Rows = Sequence[Mapping[str, Any]]


def back(days: int) -> date:
    return DAY - timedelta(days=days)


def days(**changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The summaries of 91 days, all alike but for what is told of `day_<days back>`."""
    row = {
        "is_approvals_covered": True,
        "is_queries_covered": True,
        "is_feedback_covered": True,
        "total_drafts": 10,
        "approval_rate_of_reviewed": 70.0,
        "avg_confidence": 80.0,
        "p50_review_time_seconds": 60.0,
        "total_queries": 20,
        "p50_latency_ms": 100.0,
        "p95_latency_ms": 400.0,
        "p99_latency_ms": 900.0,
        "error_rate": 5.0,
        "annotations": 2,
        "avg_overall_score": 4.0,
    }
    return [{**row, "date": back(n), **changes.get(f"day_{n}", {})} for n in range(91)]


def work(agent: str, days_back: int, drafts: int, reviewed: int, approved: int) -> dict[str, Any]:
    return {
        "date": back(days_back),
        "agent_type_sk": agent,
        "shop_sk": "s",
        "total_drafts": drafts,
        "reviewed": reviewed,
        "approved": approved,
    }


def band(
    agent: str, days_back: int, name: str, reviewed: int, approved: int, confidence: float | None
) -> dict[str, Any]:
    return {
        "date": back(days_back),
        "agent_type_sk": agent,
        "confidence_band": name,
        "total_drafts": max(reviewed, 1),
        "reviewed": reviewed,
        "approved": approved,
        "avg_confidence_of_reviewed": confidence,
    }


def draft(place: int, agent: str, days_back: int, **values: Any) -> dict[str, Any]:
    return {
        "date": back(days_back),
        "created_at": datetime.combine(back(days_back), datetime.min.time()),
        "source_id": f"d{place}",
        "agent_type_sk": agent,
        "shop_sk": "shop_20240101",
        **values,
    }


def query(place: int, agent: str, latency: int | None, days_back: int = 0) -> dict[str, Any]:
    return {
        "date": back(days_back),
        "source_id": f"q{place}",
        "agent_type_sk": agent,
        "latency_ms": latency,
    }


def annotation(
    place: int, annotator: str, conversation: str | None, score: float | None, **values: Any
) -> dict[str, Any]:
    return {
        "date": DAY,
        "source_id": f"a{place}",
        "annotator_sk": annotator,
        "conversation_id": conversation,
        "overall_score": score,
        **values,
    }


def annotator(key: str, name: str | None) -> dict[str, Any]:
    return {"annotator_sk": key, "annotator_email": key, "annotator_name": name, "role": "lead"}


def agent_type(code: str, rate: float | None, latency: int | None) -> dict[str, Any]:
    return {
        "agent_type_sk": code,
        "agent_type_code": code,
        "agent_name": code.upper(),
        "expected_approval_rate": rate,
        "expected_avg_latency_ms": latency,
    }


FILLED: dict[Table, Rows] = {
    DAYS: days(
        day_0={"total_drafts": 12, "p95_latency_ms": 500.0, "avg_overall_score": None},
        day_7={"approval_rate_of_reviewed": 72.5},
    ),
    PERFORMANCE: [
        work("cx", 0, 6, 4, 3),
        work("cx", 6, 6, 6, 3),
        work("cx", 7, 9, 9, 9),
        work("cx", 30, 1_000, 900, 0),
        work("product", 1, 2, 1, 1),
    ],
    CALIBRATION: [
        band("cx", 0, "90-100", 6, 3, 95.0),
        band("cx", 29, "90-100", 2, 1, 99.0),
        band("product", 0, "90-100", 2, 2, 90.0),
        band("cx", 0, "60-70", 10, 6, 62.0),
        band("cx", 0, "none", 5, 0, None),
        band("cx", 0, "80-90", 0, 0, None),
        band("cx", 30, "0-50", 50, 50, 10.0),
    ],
    DRAFTS: [
        *(
            draft(n, "cx", 3, review_time_seconds=3_600 * hours)
            for n, hours in enumerate((1, 3, 5))
        ),
        draft(3, "product", 29, review_time_seconds=90),
        draft(4, "cx", 30, review_time_seconds=10**9),
        draft(5, "cx", 0, is_pending=True, is_urgent=True, confidence_score=55.5),
        draft(6, "product", 90, is_pending=True, is_escalated=True),
        draft(7, "cx", 31, is_pending=True, is_urgent=True),
        draft(8, "cx", 30, is_pending=True),
        draft(9, "cx", 91, is_pending=True),
    ],
    QUERIES: [
        *(query(n, "cx", latency) for n, latency in enumerate((10, 20, 40, None))),
        query(9, "inventory", 800, 29),
        query(10, "cx", 99_999, 30),
    ],
    ANNOTATIONS: [
        annotation(0, "ann@example.com", "c1", 4.0, clarity_score=4, is_safe_to_send=True),
        annotation(1, "bob@example.com", "c1", 3.0, is_safe_to_send=False),
        annotation(2, "ann@example.com", "c2", 5.0),
        annotation(3, "unknown", "c1", 2.0),
        annotation(4, "ann@example.com", None, None),
    ],
    AGENT_TYPES: [
        agent_type("cx", 60.0, 30),
        agent_type("product", 75.0, None),
        agent_type("inventory", None, 700),
        agent_type("idle", None, None),
    ],
    ANNOTATORS: [
        annotator("ann@example.com", "Ann"),
        annotator("bob@example.com", "Bob"),
        annotator("unknown", None),
    ],
    SHOPS: [{"shop_sk": "shop_20240101", "shop_domain": "shop.example.com", "is_current": True}],
}

EMPTY: dict[Table, Rows] = {table: days() if table is DAYS else () for table in FILLED}


def made(changes: Mapping[Table, Rows] | None = None) -> tuple[Figures, Chapter]:
    figures = figures_over({**FILLED, **(changes or {})}, DAY)
    return figures, AGENTS.make(figures)


def chart_of(chapter: Chapter, beginning: str) -> Chart:
    [chart] = [one for one in charts_in(chapter) if one.finding.startswith(beginning)]
    return chart


def rows_of(chapter: Chapter, beginning: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = chart_of(chapter, beginning).spec["datasets"]["rows"]
    return rows


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
    assert told["Drafts"] == ("12", "+2 (+20.0 %) in 7 days", "+2 (+20.0 %) in 30 days")
    assert told["Approved of reviewed drafts"] == (
        "70.0 %",
        "-2.5 points in 7 days",
        "no change in 30 days",
    )
    assert told["Latency, 95th percentile, ms"] == (
        "500.0",
        "+100.0 (+25.0 %) in 7 days",
        "+100.0 (+25.0 %) in 30 days",
    )
    assert told["Annotators' score, of 5"] == ("–",)
    assert len(tiles.tiles) == 9


def test_findings_are_computed_sentences() -> None:
    """Of cx the last week has 4 + 6 reviewed drafts, 3 + 3 of them approved.

    Confidence: at 60-70 it is 62 against 60 (2 points, 10 drafts); at 90-100 it is
    (6 x 95 + 2 x 99 + 2 x 90) / 10 = 94.8 against 60 (34.8 points, 10 drafts): 18.4 on average.
    """
    _, chapter = made()
    assert [chart.finding for chart in charts_in(chapter)] == [
        "Approved in the 7 days to 2024-03-31: 100.0 % of 1 draft by product and 60.0 % of 10 "
        "drafts by cx",
        "Confidence is 18.4 points from the approval rate on average; furthest at 90-100 %: 60.0 % "
        "of 10 drafts approved, at a confidence of 94.8 %",
        "Median review time: cx 3.0 hours and product 90.0 seconds",
        "4 drafts wait for review, 2 urgent and 2 for more than 30 days",
        "The 95th percentile of latency in ms rose from 400.0 to 500.0 (+25.0 %) in 30 days",
        "None of 2 agents is slower than inventory: 95 % of its 1 query within 800 ms",
    ]


def test_what_is_said_in_short() -> None:
    """In the 30 days cx has 21 drafts, 19 reviewed, 15 approved; product 2, 1 and 1."""
    _, chapter = made()
    [block] = [one for one in chapter.blocks if getattr(one, "title", "") == "In short"]
    assert [(one.sentence, one.evidence) for one in getattr(block, "statements", ())] == [
        (
            "23 drafts and 5 queries in the 30 days to 2024-03-31; 80.0 % of 20 reviewed drafts "
            "were approved.",
            "3 of 23 not reviewed yet.",
        ),
        (
            "inventory is slower than expected by 100 ms.",
            "800 ms on average over 1 query, 700 ms expected.",
        ),
    ]


def test_expectations() -> None:
    _, chapter = made()
    grid = grid_of(chapter, "Expectations: 3 of 4 met in 30 days")
    assert column_of(grid, "Agent") == ["cx", "product", "inventory"]
    assert column_of(grid, "Drafts") == ["21", "2", "0"]
    assert column_of(grid, "Approved") == ["78.9 %", "100.0 %", "–"]
    assert column_of(grid, "At least") == ["60.0 %", "75.0 %", "–"]
    assert column_of(grid, "Approval met") == ["yes", "yes", "–"]
    assert column_of(grid, "Queries") == ["4", "0", "1"]
    assert column_of(grid, "Latency, ms") == ["23.3", "–", "800.0"]
    assert column_of(grid, "Latency met") == ["yes", "–", "no"]


@pytest.mark.parametrize(
    ("expected", "is_met", "said"),
    [
        (75.0, "yes", []),
        (75.1, "no", ["cx misses its expected approval rate by 0.1 points."]),
    ],
)
def test_an_expectation_is_met_at_its_edge(expected: float, is_met: str, said: list[str]) -> None:
    _, chapter = made(
        {
            PERFORMANCE: [work("cx", 0, 4, 4, 3)],
            AGENT_TYPES: [agent_type("cx", expected, None)],
            QUERIES: (),
        }
    )
    grid = next(one for one in chapter.blocks if isinstance(one, Grid))
    assert column_of(grid, "Approval met") == [is_met]
    assert sentences_of(chapter, "In short")[1:] == said


def test_approval_is_of_the_7_days_that_end_on_a_day() -> None:
    _, chapter = made()
    rows = rows_of(chapter, "Approved in")
    told = [
        (row["agent"], row["date"][:10], row["approved"], row["reviewed"], row["rate"])
        for row in rows
    ]
    assert told == [
        ("cx", "2024-03-01", 0, 900, 0.0),
        ("cx", "2024-03-24", 9, 9, 100.0),
        ("cx", "2024-03-25", 12, 15, 80.0),
        ("cx", "2024-03-31", 6, 10, 60.0),
        ("product", "2024-03-30", 1, 1, 100.0),
    ]


def test_calibration_is_a_point_for_each_agent_and_band() -> None:
    _, chapter = made()
    rows = rows_of(chapter, "Confidence")
    assert [
        (row["agent"], row["band"], row["reviewed"], row["approved"], row["confidence"], row["gap"])
        for row in rows
    ] == [
        ("cx", "60-70", 10, 6, 62.0, 2.0),
        ("cx", "90-100", 8, 4, 96.0, 46.0),
        ("product", "90-100", 2, 2, 90.0, -10.0),
    ]


def test_percentiles_lie_between_their_neighbours() -> None:
    """Of 10, 20 and 40: the median is 20, the 95th 20 + 0.9 x 20, the 99th 20 + 0.98 x 20."""
    _, chapter = made()
    told = {
        (row["agent"], row["percentile"]): row["value"]
        for row in rows_of(chapter, "None of 2 agents")
    }
    assert told == pytest.approx(
        {
            ("cx", "50th"): 20.0,
            ("cx", "95th"): 38.0,
            ("cx", "99th"): 39.6,
            ("inventory", "50th"): 800.0,
            ("inventory", "95th"): 800.0,
            ("inventory", "99th"): 800.0,
        }
    )
    review = {(row["agent"], row["percentile"]): row["value"] for row in rows_of(chapter, "Median")}
    # In hours: 1, 3 and 5 of cx, 90 seconds of product.
    assert review == pytest.approx(
        {
            ("cx", "50th"): 3.0,
            ("cx", "95th"): 4.8,
            ("product", "50th"): 0.025,
            ("product", "95th"): 0.025,
        }
    )
    assert "in hours" in chart_of(chapter, "Median").description


def test_the_queue_by_age_and_urgency() -> None:
    _, chapter = made()
    rows = rows_of(chapter, "4 drafts wait")
    assert [(row["group"], row["urgency"], row["drafts"]) for row in rows] == [
        ("today", "urgent", 1),
        ("15-30 days", "not urgent", 1),
        ("over 30 days", "not urgent", 1),
        ("over 30 days", "urgent", 1),
    ]
    grid = grid_of(chapter, "What waits for review, urgent drafts and old ones first")
    assert column_of(grid, "Draft") == ["d7", "d5", "d6", "d8"]
    assert column_of(grid, "Days") == ["31", "0", "90", "30"]
    assert column_of(grid, "Urgent") == ["yes", "yes", "no", "no"]
    assert column_of(grid, "Escalate") == ["no", "no", "yes", "no"]
    assert column_of(grid, "Confidence") == ["–", "55.5 %", "–", "–"]
    assert grid.left_out == 0


def test_annotators_and_how_far_they_agree() -> None:
    """On c1 Ann gave 4, Bob 3, somebody 2: Ann is 1.5 from the others' mean, Bob 0, the last 1.5.

    All scores are 4, 3, 5 and 2, on average 3.5.
    """
    _, chapter = made()
    grid = grid_of(chapter, "3 annotators made 5 annotations in 30 days")
    assert column_of(grid, "Annotator") == ["Ann", "Bob", "without a name"]
    assert column_of(grid, "Annotations") == ["3", "1", "1"]
    assert column_of(grid, "Score") == ["4.5", "3.0", "2.0"]
    assert column_of(grid, "Against all") == ["1.0", "-0.5", "-1.5"]
    assert column_of(grid, "Shared") == ["1", "1", "1"]
    assert column_of(grid, "Apart") == ["1.5", "0.0", "1.5"]
    assert column_of(grid, "Clarity") == ["4.0", "–", "–"]
    assert column_of(grid, "Safe") == ["100.0 %", "0.0 %", "–"]


def test_annotators_of_different_conversations_have_nothing_to_agree_on() -> None:
    _, chapter = made({ANNOTATIONS: [annotation(0, "ann@example.com", "c1", 4.0)]})
    grid = grid_of(chapter, "1 annotator made 1 annotation in 30 days")
    assert "Shared" not in [column.title for column in grid.columns]
    assert "how far they agree is not known" in grid.definition
    assert column_of(grid, "Against all") == ["0.0"]


def test_no_address_of_an_annotator_is_shown() -> None:
    _, chapter = made()
    assert "@" not in repr(chapter)


def test_blocks_without_rows_say_so() -> None:
    figures, chapter = made(EMPTY)
    assert_cells_hold(figures, chapter)
    assert_charts_draw(chapter)
    assert [chart.finding for chart in charts_in(chapter)] == [
        "The 95th percentile of latency in ms stayed at 400.0 in 30 days"
    ]
    assert missing_in(chapter) == {
        "Approval": "No data for approval: no draft was reviewed in the 91 days to 2024-03-31.",
        "Confidence": "No data for confidence: no draft of the 30 days to 2024-03-31 has a "
        "confidence and a review.",
        "Expectations": "No data for expectations: no agent drafted or answered in the 30 days to "
        "2024-03-31.",
        "Review time": "No data for review time: no draft of the 30 days to 2024-03-31 was "
        "reviewed.",
        "The review queue": "No data for the review queue: no draft waits for its review on "
        "2024-03-31.",
        "Latency by agent": "No data for latency by agent: no query of the 30 days to 2024-03-31 "
        "has a latency.",
        "Annotators": "No data for annotators: nothing was annotated in the 30 days to 2024-03-31.",
    }
    assert sentences_of(chapter, "In short") == [
        "0 drafts and 0 queries in the 30 days to 2024-03-31; no draft was reviewed."
    ]


def test_one_of_each_is_told_in_the_singular() -> None:
    _, chapter = made(
        {
            DAYS: days()[:1],
            PERFORMANCE: [work("cx", 0, 1, 1, 1)],
            CALIBRATION: [band("cx", 0, "70-80", 1, 1, 75.0)],
            DRAFTS: [draft(0, "cx", 0, is_pending=True)],
            QUERIES: [query(0, "cx", 1)],
        }
    )
    assert [chart.finding for chart in charts_in(chapter)] == [
        "Approved in the 7 days to 2024-03-31: 100.0 % of 1 draft by cx",
        "Confidence is 25.0 points from the approval rate on average; furthest at 70-80 %: 100.0 % "
        "of 1 draft approved, at a confidence of 75.0 %",
        "1 draft waits for review",
        "95 % of the queries of 2024-03-31 were answered within 400 ms",
        "cx answers 95 % of its 1 query within 1 ms",
    ]
    assert sentences_of(chapter, "In short") == [
        "1 draft and 1 query in the 30 days to 2024-03-31; 100.0 % of 1 reviewed draft was "
        "approved."
    ]


def test_a_source_that_was_not_delivered_has_no_headline_figures() -> None:
    """The last day lacks the queries; of the annotations none came in all the days."""
    figures, chapter = made(
        {
            DAYS: [
                {**row, "is_feedback_covered": False}
                for row in days(day_0={"is_queries_covered": False, "p95_latency_ms": None})
            ]
        }
    )
    assert_cells_hold(figures, chapter)
    assert_charts_draw(chapter)
    [tiles] = [block for block in chapter.blocks if isinstance(block, Tiles)]
    assert [tile.label for tile in tiles.tiles] == [
        "Drafts",
        "Approved of reviewed drafts",
        "Mean confidence",
        "Median review time",
    ]
    assert sentences_of(chapter, "In short")[-2:] == [
        "Of agent_queries 1 day of the 30 was not delivered.",
        "Nothing of agent_feedback was delivered in the 30 days.",
    ]
    latency = chart_of(chapter, "No query of 2024-03-31 has a latency")
    assert latency.note == "1 day is grey: not delivered, or of an unusual volume."
    bands = latency.spec["datasets"][latency.spec["layer"][0]["data"]["name"]]
    assert [band["date"][:10] for band in bands] == ["2024-03-31"]


def test_days_without_any_delivery_are_no_headline_days() -> None:
    nothing = {f"is_{source}_covered": False for source in ("approvals", "queries", "feedback")}
    figures, chapter = made({DAYS: days(day_0=nothing, day_1={"total_drafts": 7})})
    assert_cells_hold(figures, chapter)
    assert "the 30 days to 2024-03-30. Later days were not delivered" in chapter.lead
    [tiles] = [block for block in chapter.blocks if isinstance(block, Tiles)]
    assert str(tiles.tiles[0].figure) == "7"


def test_a_missing_table_or_delivery_leaves_the_chapter_out() -> None:
    figures = figures_over({one: rows for one, rows in FILLED.items() if one is not SHOPS}, DAY)
    assert AGENTS.make(figures).absent == "No data for agents: there is no table agents.dim_shop."
    for rows in ((), [{"date": back(91), "is_queries_covered": True}], [{"date": DAY}]):
        _, chapter = made({DAYS: rows})
        assert chapter.absent.startswith(
            "No data for agents: nothing was delivered in the 91 days to 2024-03-31."
        )
        assert chapter.blocks == ()


def test_lines_are_those_of_the_busiest_agents_in_the_order_of_their_codes() -> None:
    """Of 9 agents with 11 to 19 drafts the 6 with most are told apart."""
    _, chapter = made(
        {PERFORMANCE: [work(f"a{n}", 0, 10 + n, 10, 5) for n in range(1, 10)], QUERIES: ()}
    )
    assert list(missing_in(chapter)) == ["Confidence", "Review time", "Latency by agent"]
    assert_charts_draw(chapter)
    approval = chart_of(chapter, "Approved in")
    assert approval.note == "3 agents with fewer drafts and queries left out."
    assert [row["agent"] for row in approval.spec["datasets"]["rows"]] == [
        f"a{n}" for n in range(4, 10)
    ]
    assert approval.finding.endswith("and 3 more")
    assert approval.spec["layer"][-1]["encoding"]["color"]["scale"]["domain"] == [
        f"a{n}" for n in range(4, 10)
    ]


def test_agents_with_most_queries_do_not_crowd_out_those_with_drafts() -> None:
    _, chapter = made(
        {
            PERFORMANCE: [work("drafter", 0, 1, 1, 1)],
            QUERIES: [query(10 * n + m, f"a{n}", 5) for n in range(7) for m in range(10 - n)],
        }
    )
    assert chart_of(chapter, "Approved in").finding.endswith("100.0 % of 1 draft by drafter")
    latency = chart_of(chapter, "None of 5 agents is slower than a0")
    assert latency.note == "2 agents with fewer drafts and queries left out."


def test_long_lists_are_cut_and_say_so() -> None:
    keys = [f"k{n:02}@example.com" for n in range(52)]
    _, chapter = made(
        {
            DRAFTS: [draft(n, "cx", 1, is_pending=True) for n in range(53)],
            ANNOTATIONS: [annotation(n, key, "c", 4.0) for n, key in enumerate(keys)],
            ANNOTATORS: [annotator(key, key[:3]) for key in keys],
            AGENT_TYPES: [agent_type(f"a{n:02}", 50.0, None) for n in range(51)],
        }
    )
    left_out = {
        block.title: (len(block.rows), block.left_out, block.is_searchable)
        for block in chapter.blocks
        if isinstance(block, Grid)
    }
    assert left_out == {
        "Expectations: none is stated of what was done in 30 days": (50, 1, True),
        "What waits for review, urgent drafts and old ones first": (50, 3, True),
        "52 annotators made 52 annotations in 30 days": (50, 2, True),
    }


HOSTILE = (
    "<script>alert(1)</script>",
    "'; drop table agents.dim_shop; --",
    '"]}] {{ 7 * 7 }} \\ \u2028 datum.x',
    "\u202eevil\u202c \u0645\u0631\u062d\u0628\u0627",
    "x" * 3_000,
)


def test_hostile_names_are_values_and_nothing_else() -> None:
    figures, chapter = made(
        {
            PERFORMANCE: [work(name, 0, 5, 4, 2) for name in HOSTILE],
            CALIBRATION: [band(name, 0, "90-100", 4, 2, 95.0) for name in HOSTILE],
            DRAFTS: [
                draft(n, name, 0, is_pending=n % 2 == 0, review_time_seconds=5, source_id=name)
                for n, name in enumerate(HOSTILE)
            ],
            QUERIES: [query(n, name, 5) for n, name in enumerate(HOSTILE)],
            ANNOTATIONS: [annotation(n, name, "c", 4.0) for n, name in enumerate(HOSTILE)],
            AGENT_TYPES: [agent_type(name, 99.0, 1) for name in HOSTILE],
            ANNOTATORS: [annotator(name, name) for name in HOSTILE],
        }
    )
    assert_cells_hold(figures, chapter)
    assert_charts_draw(chapter)
    assert missing_in(chapter) == {}
    for chart in charts_in(chapter):
        assert len(chart.finding) < 400
        assert "\u202e" not in chart.finding
        assert_only_in_data(chart, "alert(1)", "drop table", "7 * 7", "evil", "xxxx")
    for sentence in sentences_of(chapter, "In short"):
        assert len(sentence) < 400
        assert "\u202e" not in sentence


def assert_only_in_data(chart: Chart, *parts: str) -> None:
    """No expression, title or name of the compiled chart holds a name.

    Only its rows, the values of its scales, and those that a legend lists do.
    """
    compiled = vl_convert.vegalite_to_vega(json.dumps(chart.spec))
    for data in compiled["data"]:
        data.pop("values", None)
    for scale in compiled["scales"]:
        if isinstance(scale["domain"], list):
            scale.pop("domain")
    for legend in compiled.get("legends", ()):
        legend.pop("values", None)
    told = json.dumps(compiled, ensure_ascii=False)
    assert [part for part in parts if part in told] == []
