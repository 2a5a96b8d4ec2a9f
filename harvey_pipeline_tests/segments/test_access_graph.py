"""From landing files to the dimensions, labels, starts and use of apps, through the graph."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from harvey_pipeline.definitions import build_definitions, check_plans
from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.graph.partitions import range_tags
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.builders import csv_text, landing_file, raw_store
from harvey_pipeline_tests.instances import forgetful_instance
from harvey_pipeline_tests.segments.parts import ACCESS, SUBJECTS

MON = date(2024, 5, 6)
TUE, WED = MON + timedelta(days=1), MON + timedelta(days=2)
DAYS = DayRange(MON, WED)
OPEN = date(9999, 12, 31)
OWN = ACCESS.tables
CORE = ("raw.raw_events", "core.user_daily_activity")

LICENSES = "user_id,app,annual_cost_usd,tier"
DROPS = {
    f"events/{MON}": (
        "event_id,created,firm_id,user_id,event_type,num_docs,feedback_score",
        f"q1,{MON} 09:00,f1,u1,ASSISTANT,1,5",
        f"q2,{MON} 09:05,f1,u1,VAULT,1,5",
    ),
    f"sso_events/{MON}": (
        "event_id,published,tenant_id,actor_id,outcome,target_id,session_minutes",
        f"s1,{MON} 08:00,f1,u1,SUCCESS,mail,10",
    ),
    f"sso_events/{TUE}": (
        "event_id,published,tenant_id,actor_id,outcome",
        f"s2,{MON} 23:00,f1,u1,FAILURE",
    ),
    f"employees/{MON}": ("user_id,manager_id,tenant_id", "u1,u2,f1", "u2,,f1"),
    f"employees/{WED}": ("user_id,manager_id,tenant_id", "u1,,f1", "u2,,f1"),
    f"licenses/{MON}": (LICENSES, "u1,mail,120,", "u1,chat,60,Gold"),
    f"licenses/{TUE}": (LICENSES, "u1,Mail,120,standard", "u1,chat,60.0,gold"),
    f"licenses/{WED}": (LICENSES, "u1,mail,150,", "u1,chat,60,gold", "u2,mail,0,"),
    f"segment_labels/{MON}": ("user_id,label,labelled_on", f"u1,Power User,{MON} 10:00"),
    f"segment_labels/{WED}": ("user_id,label,labelled_on", f"u1,casual,{MON}"),
    f"interventions/{TUE}": ("user_id,started_on,kind,group", f"u1,{TUE},Training,Treatment"),
    f"interventions/{WED}": (
        "user_id,started_on,kind,group,satisfaction,reported_hours_saved",
        f"u1,{TUE},training,treatment,4.5,6",
    ),
}


def execute(store: RawStore, job: str, *tables: str) -> dg.ExecuteInProcessResult:
    """Run all days of a job, or of some of its tables."""
    calendar = Calendar(MON, WED)
    definitions = build_definitions(SUBJECTS, calendar, store.warehouse, store)
    return definitions.resolve_job_def(job).execute_in_process(
        instance=forgetful_instance(),
        tags=range_tags(DAYS),
        asset_selection=[dg.AssetKey(name.split(".")) for name in tables] or None,
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RawStore:
    """Three days of drops, run through the graph; every check was evaluated, and passed."""
    root = tmp_path_factory.mktemp("drops")
    for name, lines in DROPS.items():
        landing_file(root, f"{name}.csv", csv_text(*lines))
    store = raw_store(root, str(MON))
    execute(store, "daily", *CORE)
    evaluations = execute(store, "segments_daily").get_asset_check_evaluations()
    plans = [one for one in check_plans(SUBJECTS) if one.table in (*ACCESS.raw_tables, *OWN)]
    assert len(evaluations) == sum(len(plan.checks) for plan in plans)
    failing = {one.check_name for one in evaluations if not one.passed}
    # Not every source has a drop every day.
    assert failing <= {"drop_has_arrived"}
    return store


def rows(store: RawStore, query: str) -> list[tuple[Any, ...]]:
    return store.warehouse.query(query)


def test_employees_have_versions(store: RawStore) -> None:
    found = rows(
        store,
        "select employee_dim_key, manager_id, effective_start_date, effective_end_date, is_current "
        "from segments.dim_employee order by 1",
    )
    assert found == [
        ("u1_20240506", "u2", MON, TUE, False),
        ("u1_20240508", None, WED, OPEN, True),
        ("u2_20240506", None, MON, OPEN, True),
    ]


def test_licences_have_versions_by_user_and_app(store: RawStore) -> None:
    found = rows(
        store,
        "select license_dim_key, user_id, app, tier, annual_cost_usd, effective_start_date, "
        "effective_end_date from segments.dim_license order by 1",
    )
    assert found == [
        ("u1_chat_20240506", "u1", "chat", "gold", 60.0, MON, OPEN),
        ("u1_mail_20240506", "u1", "mail", "standard", 120.0, MON, TUE),
        ("u1_mail_20240508", "u1", "mail", "standard", 150.0, WED, OPEN),
        ("u2_mail_20240508", "u2", "mail", "standard", 0.0, WED, OPEN),
    ]


def test_labels_and_starts_are_those_of_the_latest_drop(store: RawStore) -> None:
    assert rows(store, "select * from segments.labels") == [(MON, "u1", "", "casual")]
    assert rows(store, "select * from segments.intervention_starts") == [
        (TUE, "u1", "training", "treatment", 4.5, 6.0)
    ]


def test_the_use_of_apps_is_of_the_product_and_of_sign_ins(store: RawStore) -> None:
    found = rows(
        store,
        "select date, tenant_id, app, accesses, active_seconds, auth_successes, auth_failures, "
        "devices from segments.user_daily_access order by app",
    )
    # Two queries 300 s apart count 300 s, half of them each; a session of ten minutes 600 s.
    assert found == [
        (MON, "f1", "assistant", 1, 150, 0, 0, []),
        (MON, "f1", "mail", 1, 600, 1, 0, []),
        (MON, "f1", "sign_in", 0, 0, 0, 1, []),
        (MON, "f1", "vault", 1, 150, 0, 0, []),
    ]


def test_of_an_export_versions_start_on_the_first_day_run(tmp_path: Path) -> None:
    store = raw_store(tmp_path, str(MON))
    landing_file(tmp_path, "licenses.csv", csv_text(LICENSES, "u1,mail,120,", "u2,mail,60,gold"))
    execute(store, "segments_daily", "raw.raw_licenses", "segments.dim_license")
    found = rows(store, "select license_dim_key, is_current from segments.dim_license order by 1")
    assert found == [("u1_mail_20240506", True), ("u2_mail_20240506", True)]
