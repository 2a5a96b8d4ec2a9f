"""The reference on what facts add up to, worked out by hand."""

from datetime import date
from pathlib import Path

import pytest

from harvey_pipeline_tests.agents.by_hand.landed import (
    APPROVALS,
    QUERIES,
    jan,
    january,
    landed,
    one,
    reasons,
    values_of,
)

# --- Marts ---------------------------------------------------------------------------------------


def test_latencies_and_errors_of_a_day(tmp_path: Path) -> None:
    text = (
        f"{QUERIES},latency_ms,is_error,is_approved,agent_type\n"
        f"1,s,{jan(1)},10,true,1,cx-agent\n2,s,{jan(1)},20,FALSE,,cx-agent\n"
        f"3,s,{jan(1)},40,,0,cx-agent\n4,s,{jan(1)},,yes,1,cx-agent\n"
    )
    tables = landed(tmp_path, {f"agent_queries/{jan(1)}": text}, 1)
    [mart] = tables["agents.daily_query_performance"]
    [summary] = tables["agents.daily_agent_summary"]
    for row in (mart, summary):
        assert row["total_queries"] == 4
        assert row["avg_latency_ms"] == pytest.approx(70 / 3)
        assert (row["p50_latency_ms"], row["p95_latency_ms"]) == (20, 38)
        assert row["p99_latency_ms"] == pytest.approx(39.6)
        assert (row["errors"], row["error_rate"]) == (1, 50)
        assert (row["approved_queries"], row["reviewed_queries"]) == (2, 3)
        assert row["query_approval_rate"] == 50
        assert row["query_approval_rate_of_reviewed"] == pytest.approx(200 / 3)
    assert reasons(tables) == [(january(1), 5, ["unreadable_is_error"])]
    assert (summary["active_shops"], summary["total_drafts"]) == (0, 0)
    assert (summary["approval_rate"], summary["is_approvals_covered"]) == (None, False)


def test_rates_and_confidence_of_drafts(tmp_path: Path) -> None:
    of = (
        ("approved", "90"),
        ("approved", "89.99"),
        ("rejected", "80"),
        ("edited", ""),
        ("pending", "80"),
        ("expired", "49.9"),
        ("", "50"),
        ("approved", ""),
    )
    text = "".join(
        f"{number},c,s,{status},{jan(1)},{confidence}\n"
        for number, (status, confidence) in enumerate(of)
    )
    tables = landed(
        tmp_path, {f"agent_approvals/{jan(1)}": f"{APPROVALS},confidence_score\n{text}"}, 1
    )
    [mart] = tables["agents.daily_agent_performance"]
    assert (mart["approved"], mart["rejected"], mart["edited"], mart["pending"]) == (3, 1, 1, 1)
    assert (mart["other_status"], mart["reviewed"], mart["total_drafts"]) == (2, 5, 8)
    assert (mart["approval_rate"], mart["rejection_rate"]) == (37.5, 12.5)
    assert mart["approval_rate_of_reviewed"] == 60
    assert mart["avg_confidence"] == pytest.approx((90 + 89.99 + 80 + 80 + 49.9 + 50) / 6)
    columns = ("confidence_band", "total_drafts", "reviewed", "approved", "calibration_gap")
    assert values_of(tables["agents.daily_confidence_calibration"], *columns) == [
        ("0-50", 1, 0, 0, None),
        ("50-60", 1, 0, 0, None),
        ("80-90", 3, 2, 1, pytest.approx((89.99 + 80) / 2 - 50)),
        ("90-100", 1, 1, 1, -10),
        ("none", 2, 2, 1, None),
    ]


# --- Views ---------------------------------------------------------------------------------------


def test_shops_are_ranked_within_a_month(tmp_path: Path) -> None:
    def snapshot(*plans: str) -> str:
        rows = (f"s{number},{plan}\n" for number, plan in enumerate(plans, start=1))
        return f"shop_domain,plan_type\n{''.join(rows)}"

    files = {
        f"shops/{jan(1)}": snapshot("free", "free", "free"),
        f"shops/{jan(31)}": snapshot("pro", "free", "free"),
        f"agent_queries/{jan(1)}": f"{QUERIES},is_approved\n"
        f"1,s1,{jan(1)},1\n2,s1,{jan(1)},\n3,s2,{jan(1)},\n4,s3,{jan(1)},\n5,s0,{jan(1)},\n",
        "agent_queries/2024-02-01": f"{QUERIES},is_approved\n"
        f"6,s1,2024-01-31,0\n7,s3,2024-01-31,\n8,s3,2024-02-01,1\n",
    }
    view = landed(tmp_path, files, 32)["agents.shop_performance"]
    columns = ("month", "rank_in_month", "shop_domain", "plan_type", "approval_rate")
    assert values_of(view, *columns, "is_current_month") == [
        (january(1), 1, "s1", "pro", 33.33, False),
        (january(1), 2, "s3", "free", 0, False),
        (january(1), 3, "s2", "free", 0, False),
        (date(2024, 2, 1), 1, "s3", "free", 100, True),
    ]


def test_agents_against_what_is_expected_of_them(tmp_path: Path) -> None:
    """The last of 31 days is the 31st, so that the 1st is not among the last 30."""
    files = {
        "agent_types": "agent_type_code,expected_approval_rate,expected_avg_latency_ms\n"
        "cx-agent,50,10\nunknown,,1\n",
        f"agent_approvals/{jan(1)}": f"{APPROVALS}\na,c,s,approved,{jan(1)}\n",
        f"agent_approvals/{jan(2)}": f"{APPROVALS}\nb,c,s,approved,{jan(2)}\n"
        f"c,c,s,rejected,{jan(2)}\nd,c,s,pending,{jan(2)}\n",
        f"agent_queries/{jan(31)}": f"{QUERIES},agent_type,latency_ms\n"
        f"1,s,{jan(31)},cx-agent,10\n2,s,{jan(31)},cx-agent,11\n3,s,{jan(31)},,1\n",
    }
    tables = landed(tmp_path, files, 31)
    row = one(tables["agents.agent_expectations"], agent_type_sk="cx-agent")
    assert (row["total_drafts"], row["approval_rate_of_reviewed"]) == (3, 50)
    assert (row["total_queries"], row["avg_latency_ms"]) == (2, 10.5)
    assert (row["is_approval_rate_met"], row["is_latency_met"]) == (True, False)
    other = one(tables["agents.agent_expectations"], agent_type_sk="unknown")
    assert (other["is_approval_rate_met"], other["is_latency_met"]) == (None, True)
    pending = tables["agents.pending_drafts"]
    assert values_of(pending, "source_id", "age_days") == [("d", 29)]
    trend = one(tables["agents.approval_rate_trend"], date_actual=january(2))
    assert (trend["day_of_week"], trend["total_drafts"]) == (2, 3)
    assert trend["approval_rate_pct"] == 33.33


def test_a_rate_is_rounded_away_from_zero(tmp_path: Path) -> None:
    """One of 32 is 3.125 percent."""
    rows = (f"{n},c,s,{'expired' if n else 'approved'},{jan(1)}\n" for n in range(32))
    files = {f"agent_approvals/{jan(1)}": f"{APPROVALS}\n{''.join(rows)}"}
    [row] = landed(tmp_path, files, 1)["agents.approval_rate_trend"]
    assert row["approval_rate_pct"] == 3.13


def test_shops_that_are_active_on_a_day(tmp_path: Path) -> None:
    files = {
        "shops": "shop_domain,plan_type\na,free\nb,free\nc,free\n",
        f"agent_approvals/{jan(1)}": f"{APPROVALS}\n1,c,a,pending,{jan(1)}\n2,c,b,x,{jan(1)}\n",
        f"agent_queries/{jan(1)}": f"{QUERIES}\n1,b,{jan(1)}\n2,c,{jan(1)}\n3,z,{jan(1)}\n",
    }
    [row] = landed(tmp_path, files, 1)["agents.daily_agent_summary"]
    assert row["active_shops"] == 3
