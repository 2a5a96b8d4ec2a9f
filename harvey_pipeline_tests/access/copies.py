"""A published copy with rows of two tenants, whose ids have nothing in common."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb

from harvey_pipeline.segments.tables import TABLES
from harvey_pipeline.warehouse.warehouse import published_path
from harvey_pipeline_tests.reports.warehouses import make_table

Rows = Sequence[Mapping[str, Any]]

MONDAY, EARLIER = date(2024, 6, 24), date(2024, 6, 17)
TODAY: Final = date(2024, 7, 1)
OPEN_END: Final = date(9999, 12, 31)


def publish_rows(folder: Path, tables: Mapping[str, Rows]) -> Path:
    """The warehouse beside which a copy with these rows of the subject's tables is published.

    Columns that a row does not give are null or, where that cannot be, 0, false or the first label.
    """
    warehouse = folder / "warehouse.duckdb"
    with duckdb.connect(str(published_path(warehouse))) as connection:
        for name, rows in tables.items():
            make_table(connection, TABLES[name], rows)
    return warehouse


def segment(user: str, tenant: str, **row: Any) -> dict[str, Any]:
    return {"date": MONDAY, "user_id": user, "tenant_id": tenant, "segment": "regular"} | row


def advice(user: str, tenant: str, rule: str, **row: Any) -> dict[str, Any]:
    return {"date": MONDAY, "user_id": user, "tenant_id": tenant, "rule_id": rule} | row


def employee(user: str, tenant: str | None, manager: str | None, **row: Any) -> dict[str, Any]:
    """A version that is open, from the beginning of 2024."""
    return {
        "employee_dim_key": f"{user}_20240101",
        "user_id": user,
        "tenant_id": tenant,
        "manager_id": manager,
        "name": f"Name of {user}",
        "email": f"{user}@example.com",
        "effective_start_date": date(2024, 1, 1),
        "effective_end_date": OPEN_END,
    } | row


def rows_of_tenant(tenant: str) -> dict[str, list[dict[str, Any]]]:
    """Rows of every table of one tenant, with people a, b, c, d and the managers m and n.

    m manages a and b, n manages c and, until May, b; d is managed by nobody.
    """
    a, b, c, d, m, n = (f"{tenant}-{one}" for one in "abcdmn")
    ended = {
        "employee_dim_key": f"{b}_20230101",
        "effective_start_date": date(2023, 1, 1),
        "effective_end_date": date(2023, 12, 31),
    }
    month = date(2024, 5, 1)
    of_day = {"date": MONDAY, "tenant_id": tenant}
    return {
        "dim_employee": [
            employee(a, tenant, m),
            employee(b, tenant, n, **ended),
            employee(b, tenant, m),
            employee(c, tenant, n),
            employee(d, None, None),
            employee(m, tenant, None),
        ],
        "dim_license": [
            {
                "license_dim_key": f"{user}_crm_20240101",
                "user_id": user,
                "app": "crm",
                "effective_start_date": date(2024, 1, 1),
                "effective_end_date": OPEN_END,
            }
            for user in (a, b)
        ],
        "labels": [
            {"date": EARLIER, "user_id": a, "labelled_by": m, "label": "power"},
            {"date": EARLIER, "user_id": b, "labelled_by": "", "label": "casual"},
        ],
        "intervention_starts": [{"date": month, "user_id": a, "kind": "training"}],
        "user_daily_access": [{**of_day, "user_id": user, "app": "crm"} for user in (a, b)],
        "engagement_scores": [{**of_day, "user_id": user} for user in (a, b, c, d)],
        "tenant_engagement": [of_day],
        "user_segments": [
            segment(a, tenant, sub_segment="At-risk Churn", evidence=["Few days."]),
            segment(a, tenant, date=EARLIER, sub_segment="Occasional"),
            segment(b, tenant, segment="power", percentile=80.0, trend="increasing"),
            segment(c, tenant),
            segment(d, tenant),
        ],
        "recommendations": [
            advice(a, tenant, "check_in", suggestion="Talk."),
            advice(a, tenant, "onboarding", suggestion="Begin."),
            advice(a, tenant, "review_licence", suggestion="Take away."),
            advice(c, tenant, "onboarding", suggestion="Begin."),
        ],
        "llm_opinions": [
            {"date": MONDAY, "user_id": user, "reasoning": "Few days.", "evidence": ["3 days"]}
            for user in (a, b)
        ],
        "license_opportunities": [
            {**of_day, "app": "crm", "tier": "pro", "licenses": 40, "annual_cost_usd": 4000.0}
        ],
        "roi_summary": [{**of_day, "power_users": 10}],
        "segmentation_dashboard": [
            {
                **of_day,
                "users": 40,
                "active_users": 30,
                "power_users": 10,
                "regular_users": 10,
                "casual_users": 20,
            }
        ],
        "evaluation": [of_day],
        "stability": [
            {
                "activity_month": month,
                "tenant_id": tenant,
                "segment": "power",
                "months_after": 1,
                "cohort_size": 10,
            }
        ],
        "churn_backtest": [{**of_day, "churn_risk": "high"}],
        "ab_readout": [],
    }


def two_tenants() -> dict[str, list[dict[str, Any]]]:
    """Rows of the tenants t1 and t2, of `all`, and of a month in which both had interventions."""
    one, other = rows_of_tenant("t1"), rows_of_tenant("t2")
    tables = {name: [*rows, *other[name]] for name, rows in one.items()}
    board = {"date": MONDAY, "tenant_id": "all"}
    tables["segmentation_dashboard"].append({**board, "users": 80})
    tables["evaluation"].append(board)
    tables["churn_backtest"].append({**board, "churn_risk": "high"})
    tables["stability"].append({**tables["stability"][0], "tenant_id": "all"})
    # In April only t1 had interventions, in May both.
    tables["intervention_starts"].append(
        {"date": date(2024, 4, 9), "user_id": "t1-a", "kind": "training"}
    )
    tables["ab_readout"] = [
        {
            "activity_month": month,
            "kind": "training",
            "segment": "all",
            "metric": "hours_saved",
            "treatment_n": 40,
            "control_n": 40,
        }
        for month in (date(2024, 4, 1), date(2024, 5, 1))
    ]
    return tables
