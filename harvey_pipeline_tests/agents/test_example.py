"""The examples of the definitions, from drops to answers, worked out by hand."""

from datetime import date, datetime

import pytest

from harvey_pipeline_tests.agents.stars import Star

FIRST, LAST = date(2024, 1, 1), date(2024, 2, 1)


def jan(day: int) -> date:
    return date(2024, 1, day)


def draft(
    key: str, status: str, created: str, confidence: str = "", reviewed: str = "", shop: str = "s1"
) -> str:
    return f"{key},c1,{shop},{status},{created},,,,,{confidence},,,,{reviewed}"


@pytest.fixture(scope="module")
def star(tmp_path_factory: pytest.TempPathFactory) -> Star:
    star = Star(tmp_path_factory.mktemp("example"), FIRST, LAST)
    star.drop(
        "agent_approvals",
        jan(1),
        draft("a1", "pending", "2024-01-01 09:00:00", "90"),
        draft("a1", "pending", "2024-01-01 09:00:00", "80"),
    )
    star.drop(
        "agent_approvals",
        jan(4),
        draft("a1", "Approved ", "2024-01-01 09:00:00", "", "2024-01-04 10:00:01.9"),
    )
    star.drop(
        "agent_approvals",
        jan(6),
        draft("a2", "expired", "2024-01-06 10:00", shop="S1"),
        draft("a3", "", "2024-01-06 11:00", "101", "2024-01-06 10:59:59", shop="unknown"),
        draft("a4", "edited", "2024-01-06 12:00", "70", "2024-01-07", shop="s9"),
    )
    star.drop(
        "agent_approvals",
        LAST,
        draft("a1", "rejected", "2024-01-01 09:00:00"),
        draft("a1", "pending", "2024-01-02 09:00:00"),
    )
    others = [f"t{number},basic,1" for number in range(9)]
    star.drop("shops", jan(1), "s1,free,10", *others)
    star.drop("shops", jan(3), "s1,pro,10", *others)
    star.drop("shops", jan(4), "s1,pro,oops", *others)
    star.drop("shops", jan(5), *others)
    star.drop("shops", jan(7), "s1,pro,10", *others)
    star.drop(
        "agent_queries",
        jan(1),
        "q1,s1,2024-01-01 01:00,product-agent,10,true,true",
        "q2,s1,2024-01-01 02:00,product-agent,20,,false",
        "q3,s1,2024-01-01 03:00,product-agent,40,false,",
        "q4,s1,2024-01-01 04:00,product-agent,,,yes",
        "q5,t1,2024-01-01 05:00,pilot-agent,7,,",
        "q6,,2024-01-01 06:00,,8,,",
    )
    star.drop("agent_types", jan(3), "Pilot-Agent,Pilot,,50,9")
    star.drop("agent_types", jan(5), "late-agent,Late,,50,")
    star.materialise()
    return star


def test_the_latest_drop_counts_and_a_later_review_is_too_late(star: Star) -> None:
    [row] = star.rows(
        "select status, is_approved, is_pending, confidence_score, drop_date, review_time_seconds, "
        "approval_sk, agent_type_code, agent_type_sk, reviewed_at "
        "from agents.fact_agent_approval where source_id = 'a1' and date = '2024-01-01'"
    )
    assert row[:6] == ("approved", True, False, None, jan(4), 3 * 86_400 + 3_601)
    assert row[6:9] == ("a1_20240101", "cx-agent", "cx-agent")
    assert row[9] == datetime(2024, 1, 4, 10, 0, 1, 900_000)
    reasons = star.rows(
        "select drop_date, reasons from raw.quarantine where source = 'agent_approvals' "
        "and action = 'rejected' order by 1"
    )
    assert reasons == [(jan(1), ["superseded"]), (LAST, ["too_late"])]


def test_an_id_with_another_day_is_another_fact(star: Star) -> None:
    rows = star.rows(
        "select date, status from agents.fact_agent_approval where source_id = 'a1' order by 1"
    )
    assert rows == [(jan(1), "approved"), (jan(2), "pending")]
    found = star.evaluate("agents.fact_agent_approval")["ids_keep_their_day"]
    assert not found.passed
    assert found.metadata["failing_days"].value == ["2024-01-01", "2024-01-02"]


def test_a_shop_changes_its_plan_at_midnight_leaves_and_comes_back(star: Star) -> None:
    versions = star.rows(
        "select shop_sk, plan_type, effective_date, expiration_date, is_current "
        "from agents.dim_shop where shop_domain = 's1' order by effective_date"
    )
    assert versions == [
        ("s1_20240101", "free", jan(1), jan(2), False),
        ("s1_20240103", "pro", jan(3), jan(4), False),
        ("s1_20240107", "pro", jan(7), None, True),
    ]
    keys = star.rows(
        "select source_id, date, shop_sk from agents.fact_agent_approval order by date, source_id"
    )
    assert keys == [
        ("a1", jan(1), "s1_20240101"),
        ("a1", jan(2), "s1_20240101"),
        ("a2", jan(6), "s1_20240103"),
        ("a3", jan(6), "unknown"),
        ("a4", jan(6), "unknown"),
    ]


def test_values_that_cannot_be_are_null_and_the_row_is_repaired(star: Star) -> None:
    rows = star.rows(
        "select source_id, status, confidence_score, reviewed_at, is_approved, is_rejected, "
        "is_edited, is_pending from agents.fact_agent_approval where date = '2024-01-06' order by 1"
    )
    assert rows == [
        ("a2", "expired", None, None, False, False, False, False),
        ("a3", None, None, None, False, False, False, False),
        ("a4", "edited", 70.0, None, False, False, True, False),
    ]
    reasons = star.rows(
        "select line_number, reasons from raw.quarantine where source = 'agent_approvals' "
        "and action = 'repaired' order by 1"
    )
    assert reasons == [
        (3, ["unreadable_confidence_score", "reviewed_before_created"]),
        (4, ["reviewed_after_drop"]),
    ]
    [row] = star.rows(
        "select total_drafts, edited, other_status, reviewed, approval_rate, edit_rate, "
        "approval_rate_of_reviewed, avg_confidence, p50_review_time_seconds "
        "from agents.daily_agent_summary where date = '2024-01-06'"
    )
    assert row == (3, 1, 2, 1, 0.0, pytest.approx(100 / 3), 0.0, 70.0, None)


def test_latencies_and_errors_of_a_day(star: Star) -> None:
    [row] = star.rows(
        "select total_queries, avg_latency_ms, p50_latency_ms, p95_latency_ms, p99_latency_ms, "
        "errors, error_rate, approved_queries, reviewed_queries, query_approval_rate, "
        "query_approval_rate_of_reviewed from agents.daily_query_performance "
        "where agent_type_sk = 'product-agent'"
    )
    assert row[:3] == (4, pytest.approx(70 / 3), 20.0)
    assert row[3:5] == (pytest.approx(38.0), pytest.approx(39.6))
    assert row[5:] == (1, 50.0, 1, 2, 25.0, 50.0)
    [row] = star.rows(
        "select p50_latency_ms, p99_latency_ms, active_shops, is_queries_covered, annotations, "
        "is_feedback_covered, avg_overall_score, safety_rate "
        "from agents.daily_agent_summary where date = '2024-01-01'"
    )
    assert row == (10.0, pytest.approx(39.2), 2, True, 0, False, None, None)
    [(rows, covered)] = star.rows(
        "select count(*), count(*) filter (is_queries_covered) from agents.daily_agent_summary"
    )
    assert (rows, covered) == (32, 1)


def test_agent_types_are_known_from_their_first_version_on(star: Star) -> None:
    keys = star.rows(
        "select source_id, agent_type_code, agent_type_sk from agents.fact_agent_query "
        "where source_id > 'q4' order by 1"
    )
    assert keys == [("q5", "pilot-agent", "unknown"), ("q6", "unknown", "unknown")]
    types = star.rows(
        "select agent_type_sk, is_active, effective_date, last_updated from agents.dim_agent_type "
        "where agent_type_code in ('pilot-agent', 'late-agent', 'cx-agent') order by 1"
    )
    assert types == [
        ("cx-agent", True, None, None),
        ("late-agent", True, jan(5), jan(5)),
        ("pilot-agent", False, jan(3), jan(3)),
    ]


@pytest.mark.long
def test_a_run_of_one_day_changes_nothing_that_is_right(star: Star) -> None:
    tables = ("fact_agent_approval", "dim_shop", "dim_customer", "daily_agent_summary")
    before = {name: sorted(star.rows(f"select hash(t) from agents.{name} t")) for name in tables}
    star.materialise(jan(4), jan(5))
    after = {name: sorted(star.rows(f"select hash(t) from agents.{name} t")) for name in tables}
    assert after == before


def test_days_of_the_calendar_reach_to_the_end_of_the_next_year(star: Star) -> None:
    [row] = star.rows("select min(date_actual), max(date_actual), count(*) from agents.dim_date")
    assert row == (FIRST, date(2025, 12, 31), 366 + 365)


def test_views_answer_in_the_warehouse_and_in_its_copy(star: Star) -> None:
    star.publish()
    [row] = star.rows("select * from agents.shop_performance where shop_domain = 's1'")
    assert row[:5] == (jan(1), "s1", None, "free", 4)
    assert row[5:] == (pytest.approx(70 / 3), pytest.approx(38.0), 25.0, 1, False)
    ranks = star.rows(
        "select shop_domain, rank_in_month from agents.shop_performance order by rank_in_month"
    )
    assert ranks == [("s1", 1), ("t1", 2)]
    queue = star.rows("select source_id, age_days from agents.pending_drafts")
    assert queue == [("a1", 30)]
    trend = star.rows(
        "select date_actual, approved, approval_rate_pct from agents.approval_rate_trend "
        "where total_drafts > 0 order by 1"
    )
    assert trend == [(jan(6), 0, 0.0)]
    [today] = star.rows("select (now() at time zone 'UTC')::date - date '2024-01-01'")
    ago = star.rows(
        "select days_from_today from agents.dim_date_today order by date_actual limit 1"
    )
    assert ago == [(-today[0],)]
    import duckdb

    copy = star.root / "warehouse.published.duckdb"
    with duckdb.connect(str(copy), read_only=True) as connection:
        found = connection.execute("select source_id, age_days from agents.pending_drafts")
        assert found.fetchall() == queue
