"""Dagster's own `dg` on this project: what it lists and launches, and what the UI shows."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest

from harvey_pipeline.definitions import check_plans, choose_subjects
from harvey_pipeline_tests.cli.commands import REPOSITORY, Finished, environment, run_harvey
from harvey_pipeline_tests.cli.uis import ui

DG = (str(Path(sys.executable).with_name("dg")),)
SAMPLE = ("--users", "20", "--firms", "5", "--days", "3", "--events-per-day", "20")

LINEAGE = """
query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetMaterializations(limit: 1) { partition metadataEntries { label
    ... on TableColumnLineageMetadataEntry {
      lineage { columnName columnDeps { assetKey { path } columnName } }
    }
  } }
} } }
"""


def run_dg(folder: Path, *arguments: str) -> Finished:
    """The command in a checkout, on a landing folder and a warehouse that are elsewhere."""
    home = folder / "data" / "dagster_home"
    settings = {
        "DAGSTER_HOME": str(home),
        "HARVEY_LANDING_DIR": str(folder / "landing"),
        "HARVEY_WAREHOUSE": str(folder / "data" / "warehouse.duckdb"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return subprocess.run(
        [*DG, *arguments],
        cwd=REPOSITORY,
        env=environment() | settings,
        capture_output=True,
        text=True,
        timeout=300,
    )


def days_of(folder: Path, table: str) -> list[str]:
    with duckdb.connect(str(folder / "data" / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute(f"select distinct date from {table} order by 1").fetchall()
    return [str(day) for (day,) in rows]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A landing folder, and what the first day of it made: Dagster's folder too."""
    assert run_harvey(tmp_path, "sample", "--out", "landing", *SAMPLE).returncode == 0
    done = run_harvey(
        tmp_path,
        *("run", "--landing-dir", "landing", "--from", "2024-04-01", "--to", "2024-04-01"),
    )
    assert done.returncode == 0, done.stderr
    return tmp_path


@pytest.mark.long
def test_dg_lists_what_there_is(folder: Path) -> None:
    checked = run_dg(folder, "check", "defs")
    assert checked.returncode == 0, checked.stderr
    assert "All definitions loaded successfully." in checked.stdout + checked.stderr
    listed = run_dg(folder, "list", "defs", "--json")
    assert listed.returncode == 0, listed.stderr
    assert listed.stderr == ""
    found = json.loads(listed.stdout)
    tables = {".".join(one["asset_key_parts"]) for one in found["assets"]}
    subjects = choose_subjects(("engagement", "agents"))
    assert tables == {table.name for one in subjects for table in (*one.raw_tables, *one.tables)}
    assert len(found["asset_checks"]) == sum(len(one.checks) for one in check_plans(subjects))
    assert {one["name"] for one in found["jobs"]} >= {"daily", "monthly"}
    shown = run_dg(folder, "list", "defs")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "core/dim_user" in shown.stdout


@pytest.mark.long
def test_dg_launches_a_day_a_job_and_a_range(folder: Path) -> None:
    activity, marts = "core.user_daily_activity", "marts.daily_user_engagement"
    assert days_of(folder, activity) == ["2024-04-01"]

    assets = "raw/raw_users,raw/raw_events,core/dim_user,core/user_daily_activity"
    done = run_dg(folder, "launch", "--assets", assets, "--partition", "2024-04-02")
    assert done.returncode == 0, done.stdout + done.stderr
    assert days_of(folder, activity) == ["2024-04-01", "2024-04-02"]
    assert days_of(folder, marts) == ["2024-04-01"]

    done = run_dg(folder, "launch", "--job", "daily", "--partition", "2024-04-02")
    assert done.returncode == 0, done.stdout + done.stderr
    assert days_of(folder, marts) == ["2024-04-01", "2024-04-02"]

    days = "2024-04-01...2024-04-03"
    daily = "tag:partitions=days"
    done = run_dg(folder, "launch", "--assets", daily, "--partition-range", days)
    assert done.returncode == 0, done.stdout + done.stderr
    every = [str(date(2024, 4, day)) for day in (1, 2, 3)]
    assert days_of(folder, activity) == days_of(folder, marts) == every

    with ui(folder) as asked:
        for path, column, made_of in (
            (
                ["marts", "harvey_analytics_dashboard"],
                "avg_power_score",
                {
                    ("marts/daily_user_engagement", "active_days"),
                    ("marts/daily_user_engagement", "power_user_score"),
                },
            ),
            (["core", "dim_user"], "user_role", {("raw/raw_users", "title")}),
        ):
            node = asked.ask(LINEAGE, key={"path": path})["assetNodeOrError"]
            [latest] = node["assetMaterializations"]
            assert latest["partition"] == every[-1]
            [entry] = [one for one in latest["metadataEntries"] if "lineage" in one]
            assert entry["label"] == "dagster/column_lineage"
            [deps] = [one["columnDeps"] for one in entry["lineage"] if one["columnName"] == column]
            assert {("/".join(one["assetKey"]["path"]), one["columnName"]) for one in deps} == (
                made_of
            )
