"""Each view over a few rows, in DuckDB."""

from datetime import date, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest

from harvey_pipeline.llm.tables import LLM_COSTS
from harvey_pipeline.segments.tables.access import DIM_EMPLOYEE
from harvey_pipeline.segments.tables.evaluation import AB_READOUT
from harvey_pipeline.segments.tables.opinions import LLM_OPINIONS
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.segments.transforms.seasons import index_seasons
from harvey_pipeline.segments.views import VIEWS
from harvey_pipeline.warehouse.view import make_views
from harvey_pipeline_tests.segments.outcome_rows import (
    MONDAY,
    OPEN_END,
    Row,
    before,
    database,
    frame,
    scores,
    segments,
    tenants,
)

EARLIER = before(7)


def views(
    *,
    users: pl.LazyFrame | None = None,
    figures: pl.LazyFrame | None = None,
    engagement: pl.LazyFrame | None = None,
    employees: pl.LazyFrame | None = None,
    readouts: pl.LazyFrame | None = None,
    opinions: pl.LazyFrame | None = None,
    costs: pl.LazyFrame | None = None,
) -> duckdb.DuckDBPyConnection:
    given = {
        USER_SEGMENTS: users,
        ENGAGEMENT_SCORES: figures,
        TENANT_ENGAGEMENT: engagement,
        DIM_EMPLOYEE: employees,
        AB_READOUT: readouts,
        LLM_OPINIONS: opinions,
        LLM_COSTS: costs,
    }
    connection = database(
        {table: table.empty() if rows is None else rows for table, rows in given.items()}
    )
    make_views(connection, VIEWS)
    return connection


def query(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    with connection:
        return connection.sql(sql).fetchall()


def employees(*rows: Row) -> pl.LazyFrame:
    usual: Row = {
        "user_id": "u",
        "effective_start_date": before(400),
        "effective_end_date": OPEN_END,
        "is_current": True,
    }
    return frame(DIM_EMPLOYEE, (usual | row for row in rows))


def opinions(*rows: Row) -> pl.LazyFrame:
    usual: Row = {
        "date": MONDAY,
        "user_id": "u",
        "segment": "regular",
        "sub_segment": "Quiet",
        "confidence": 0.8,
        "reasoning": "Because.",
        "evidence": ["One."],
        "churn_risk": "low",
        "model": "m",
        "prompt_version": "v1",
        "agrees": True,
    }
    return frame(LLM_OPINIONS, (usual | row for row in rows))


def costs(*rows: Row) -> pl.LazyFrame:
    usual: Row = {
        "date": MONDAY,
        "purpose": "segment_user",
        "prompt_version": "v1",
        "model": "m",
        "calls": 10,
        "cached": 2,
        "errors": 3,
        "invalid": 1,
        "cost_usd": 0.5,
    }
    return frame(LLM_COSTS, (usual | row for row in rows))


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_views_are_empty_over_empty_tables_and_describe_their_columns(view: Any) -> None:
    connection = views()
    with connection:
        found = connection.sql(f"select * from {view}")
        assert found.fetchall() == []
        described = set(view.columns)
        assert described <= set(found.columns)
        if "select *" not in view.query and ".*" not in view.query:
            assert list(view.columns) == found.columns


def test_current_segments_are_of_the_latest_monday_with_rows() -> None:
    users = segments({"date": EARLIER, "user_id": "gone"}, {"user_id": "here"})
    assert query(views(users=users), "select date, user_id from segments.current_segments") == [
        (MONDAY, "here")
    ]


@pytest.mark.parametrize(
    ("label", "effective"), [(None, "regular"), ("power", "power"), ("regular", "regular")]
)
def test_a_managers_label_comes_first(label: str | None, effective: str) -> None:
    connection = views(users=segments({"manager_label": label}))
    found = query(connection, "select segment, effective_segment from segments.current_segments")
    assert found == [("regular", effective)]


def test_current_segments_keep_all_columns_and_have_one_row_per_user() -> None:
    connection = views(
        users=segments({}, {"user_id": "v"}),
        employees=employees({}, {"effective_start_date": before(1)}),
    )
    with connection:
        found = connection.sql("select * from segments.current_segments order by user_id")
        assert found.columns[: len(USER_SEGMENTS.polars_schema)] == list(
            USER_SEGMENTS.polars_schema
        )
        assert found.columns[-5:] == [
            *("effective_segment", "manager_id", "department", "email", "name")
        ]
        assert [row[1] for row in found.fetchall()] == ["u", "v"]


def test_current_segments_have_the_models_words_where_there_are_any() -> None:
    connection = views(
        users=segments({}, {"user_id": "v"}, {"user_id": "w", "date": EARLIER}),
        opinions=opinions({}, {"date": EARLIER}, {"user_id": "v", "date": EARLIER}),
    )
    found = query(
        connection,
        "select user_id, segment, reasoning, model_segment, model_sub_segment, model_confidence, "
        "model_reasoning, model_evidence, model_churn_risk, model_recommendations, model_agrees "
        "from segments.current_segments order by user_id",
    )
    words = ("regular", "Quiet", 0.8, "Because.", ["One."], "low", None, True)
    assert found == [
        ("u", "regular", "Regular user.", *words),
        ("v", "regular", "Regular user.", *([None] * 8)),
    ]


@pytest.mark.parametrize(
    ("by_rules", "confidence", "needs_review"),
    [
        (False, None, False),
        (False, 0.6, False),
        (False, 0.59, True),
        (True, None, True),
        (True, 0.9, True),
    ],
)
def test_what_either_is_not_sure_of_needs_review(
    by_rules: bool, confidence: float | None, needs_review: bool
) -> None:
    told = None if confidence is None else opinions({"confidence": confidence})
    connection = views(users=segments({"needs_review": by_rules}), opinions=told)
    found = query(connection, "select needs_review from segments.current_segments")
    assert found == [(needs_review,)]


def test_versions_of_prompts_compare() -> None:
    """v1: 20 calls, 2 invalid, 6 errors; 3 opinions, 2 agree, of the 2 labelled 1 is right."""
    connection = views(
        users=segments(
            {"manager_label": "power"},
            {"user_id": "v", "manager_label": "regular"},
            {"user_id": "w"},
            {"user_id": "x", "manager_label": "casual"},
        ),
        opinions=opinions(
            {"confidence": 0.5},
            {"user_id": "v", "confidence": 0.75},
            {"user_id": "w", "agrees": False, "confidence": 1.0},
            {"user_id": "x", "prompt_version": "v2", "segment": "casual", "agrees": False},
        ),
        costs=costs(
            {},
            {"date": EARLIER},
            {"prompt_version": "v2", "calls": 0, "errors": 0, "invalid": 0, "cost_usd": 0.0},
            {"purpose": "recommend_interventions", "calls": 4, "errors": 0, "invalid": 0},
            {"purpose": "analyze_intent"},
        ),
    )
    assert query(connection, "select * from segments.prompt_versions") == [
        ("recommend_interventions", "v1", "m", 4, 2, 0.0, 0.0, *([None] * 5), 0.5),
        (
            *("segment_user", "v1", "m", 20, 4, 10.0, 30.0),
            *(3, pytest.approx(200 / 3), 2, 50.0, 0.75, 1.0),
        ),
        ("segment_user", "v2", "m", 0, 2, None, None, 1, 0.0, 1, 100.0, 0.8, 0.0),
    ]


def test_employees_are_those_of_the_monday_or_the_last_before() -> None:
    people = employees(
        {"name": "Old", "effective_end_date": before(11), "tenant_id": "x"},
        {"name": "Now", "effective_start_date": before(10), "effective_end_date": before(-1)},
        {"name": "Next", "effective_start_date": before(-2)},
        {"name": "Left", "user_id": "left", "effective_end_date": before(50)},
        {"name": "First day", "user_id": "first", "effective_start_date": MONDAY},
        {"name": "Not yet", "user_id": "later", "effective_start_date": before(-1)},
    )
    users = segments(*({"user_id": user} for user in ("first", "later", "left", "none", "u")))
    sql = "select user_id, name, tenant_id from segments.current_segments order by 1"
    assert query(views(users=users, employees=people), sql) == [
        ("first", "First day", "t"),
        ("later", None, "t"),
        ("left", "Left", "t"),
        ("none", None, "t"),
        ("u", "Now", "t"),
    ]


def test_segment_changes_are_those_of_all_weeks() -> None:
    users = segments(
        {"is_changed": True, "date": EARLIER},
        {"is_changed": True, "user_id": "v"},
        {"user_id": "w"},
    )
    sql = "select date, user_id from segments.segment_changes"
    assert query(views(users=users), sql) == [(MONDAY, "v"), (EARLIER, "u")]


def test_the_churn_list_in_its_order() -> None:
    """By risk, then by the mean of the two thirds before the fall, then by user."""
    risks = {
        "a": ("medium", 0.9, 0.9),
        "b": ("high", 0.5, 0.7),
        "c": ("high", 0.9, 0.7),
        "d": ("high", 0.6, 0.6),
        "e": ("low", 1.0, 1.0),
        "f": ("very_low", 1.0, 1.0),
        "g": (None, 1.0, 1.0),
        "h": ("medium", 0.1, 0.1),
    }
    users = segments(
        {"user_id": "a", "churn_risk": "high", "date": EARLIER},
        *({"user_id": user, "churn_risk": risk} for user, (risk, _, _) in risks.items()),
    )
    figures = scores(
        {"user_id": "a", "date": EARLIER},
        *(
            {"user_id": user, "score_30d": 0.1, "score_30_60d": second, "score_60_90d": third}
            for user, (_, second, third) in risks.items()
        ),
    )
    sql = "select date, user_id, churn_risk, score_before, score_30d from segments.churn_list"
    assert query(views(users=users, figures=figures), sql) == [
        (MONDAY, "c", "high", 0.8, 0.1),
        (MONDAY, "b", "high", 0.6, 0.1),
        (MONDAY, "d", "high", 0.6, 0.1),
        (MONDAY, "a", "medium", 0.9, 0.1),
        (MONDAY, "h", "medium", 0.1, 0.1),
    ]


@pytest.mark.parametrize(
    ("then", "now", "back", "is_lost"),
    [
        ("power", "casual", 28, True),
        ("power", "regular", 28, False),
        ("regular", "casual", 28, False),
        ("power", "casual", 21, False),
        ("power", "casual", 35, False),
    ],
)
def test_power_users_lost(then: str, now: str, back: int, is_lost: bool) -> None:
    users = segments(
        {"segment": then, "date": before(back), "engagement_score": 0.8, "reasoning": "Before."},
        {"segment": now, "engagement_score": 0.2},
    )
    sql = "select date, user_id, score_before, engagement_score, reasoning "
    found = query(views(users=users), f"{sql} from segments.power_users_lost")
    assert found == ([(MONDAY, "u", 0.8, 0.2, "Regular user.")] if is_lost else [])


def weekly(means: list[float | None], last: date = MONDAY) -> pl.LazyFrame:
    """A tenant's means of the Mondays up to the last."""
    weeks = len(means) - 1
    return tenants(
        *(
            {"date": last - timedelta(days=7 * (weeks - week)), "mean_score": mean}
            for week, mean in enumerate(means)
        )
    )


SEASON = "select mean_score, mean_score_year_before, change_percent, season_index "
OF_MONDAY = f"from segments.season where date = date '{MONDAY}'"


@pytest.mark.parametrize(
    ("means", "index"),
    [
        ([0.5], 1.0),
        # 13 weeks of half-filled windows, then 7 or 8 that count, and now a dip.
        ([0.5] * 13 + [0.5] * 7 + [0.45], 1.0),
        ([0.5] * 13 + [0.5] * 8 + [0.45], 0.9),
        ([0.5] * 13 + [0.5] * 8 + [0.1], 0.8),
        ([0.5] * 13 + [0.5] * 8 + [0.6], 1.0),
        ([0.5] * 13 + [0.5] * 8 + [None], 1.0),
        # A year before counts: week 13 is the first that does, and 52 weeks later is now.
        ([0.4] * 13 + [0.55] + [0.5] * 51 + [0.5], 0.55 / ((0.55 + 26 * 0.5) / 27)),
        ([0.4] * 13 + [0.9] + [0.5] * 51 + [0.3], 1.25),
        ([0.4] * 13 + [0.1] + [0.5] * 51 + [0.3], 0.8),
        # Without the year before, what is now and the quarter decide.
        ([0.4] * 13 + [None] + [0.5] * 51 + [0.45], 0.9),
        ([0.0] * 66, 1.0),
    ],
)
def test_the_index_of_a_season(means: list[float | None], index: float) -> None:
    found = query(views(engagement=weekly(means)), SEASON + OF_MONDAY)
    assert found[0][3] == pytest.approx(index)
    # The view says what users' scores were adjusted by.
    [(above, below)] = (
        index_seasons(weekly(means), [MONDAY])
        .select("index_numerator", "index_denominator")
        .collect()
        .rows()
    )
    assert found[0][3] == pytest.approx(above / below)


def test_the_index_of_a_season_over_more_than_a_year() -> None:
    """The year around w-364 are the Mondays w-546..w-182, 53 of them."""
    means: list[float | None] = [0.3 + 0.002 * (week % 52) for week in range(120)]
    found = query(views(engagement=weekly(means)), SEASON + OF_MONDAY)[0]
    then = means[119 - 52]
    year = [one for one in means[119 - 78 : 119 - 25] if one is not None]
    assert len(year) == 53
    assert then is not None
    assert found[1] == pytest.approx(then)
    assert found[3] == pytest.approx(then / (sum(year) / 53))


def test_a_season_against_a_year_before_and_mondays_only() -> None:
    engagement = tenants(
        {"date": before(364), "mean_score": 0.4},
        {"date": before(1), "mean_score": 0.9},
        {"mean_score": 0.5},
        {"mean_score": 0.7, "tenant_id": "young"},
    )
    sql = "select date, tenant_id, mean_score, mean_score_year_before, round(change_percent, 9) "
    assert query(views(engagement=engagement), f"{sql} from segments.season") == [
        (before(364), "t", 0.4, None, None),
        (MONDAY, "t", 0.5, 0.4, 25.0),
        (MONDAY, "young", 0.7, None, None),
    ]


def test_score_thresholds_are_of_the_latest_monday() -> None:
    histogram = [0, 1, 2, 0, 0, 0, 0, 0, 0, 1]
    percentiles = {"score_p25": 0.2, "score_p50": 0.3, "score_p75": 0.6}
    engagement = tenants(
        {"date": EARLIER},
        {"active_users": 4, "score_histogram": histogram} | percentiles,
        {"date": MONDAY + timedelta(days=1), "active_users": 9},
    )
    sql = "select * from segments.score_thresholds"
    assert query(views(engagement=engagement), sql) == [(MONDAY, "t", 4, 0.2, 0.3, 0.6, histogram)]


def readouts(*rows: Row) -> pl.LazyFrame:
    usual: Row = {"kind": "training", "segment": "all", "metric": "conversion"}
    return frame(AB_READOUT, (usual | row for row in rows))


JANUARY, FEBRUARY, MARCH = (date(2024, month, 1) for month in (1, 2, 3))


@pytest.mark.parametrize(
    ("rows", "month"),
    [
        ([(JANUARY, 0.1), (FEBRUARY, 0.2), (MARCH, None)], FEBRUARY),
        ([(JANUARY, 0.1), (FEBRUARY, 0.0)], FEBRUARY),
        ([(JANUARY, None), (FEBRUARY, None)], FEBRUARY),
        ([(MARCH, 0.3), (JANUARY, 0.1)], MARCH),
    ],
)
def test_intervention_effects_are_the_newest_that_can_be_compared(
    rows: list[tuple[date, float | None]], month: date
) -> None:
    found = readouts(
        *({"activity_month": start, "difference": difference} for start, difference in rows),
        {"activity_month": JANUARY, "metric": "satisfaction"},
    )
    sql = "select metric, activity_month from segments.intervention_effects"
    assert query(views(readouts=found), sql) == [
        ("conversion", month),
        ("satisfaction", JANUARY),
    ]
