"""Dagster homes in which the graph of `event_log_graph.py` was run, and what they hold."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

GRAPH = "harvey_pipeline_tests.graph.event_log_graph"
OURS = ("harvey_pipeline.graph.event_log", "KeptOpenSqliteEventLogStorage")
DAGSTERS = ("dagster._core.storage.event_log", "SqliteEventLogStorage")

QUERY = """
{
  assetNodes {
    assetKey { path }
    partitionKeys
    assetPartitionStatuses {
      __typename
      ... on TimePartitionStatuses { ranges { status startKey endKey } }
    }
    assetMaterializations { partition stepKey metadataEntries { label } }
    assetObservations { partition stepKey }
    latestMaterializationByPartition { partition stepKey }
    assetChecksOrError {
      ... on AssetChecks {
        checks {
          name
          executionForLatestMaterialization { status evaluation { success severity description } }
        }
      }
    }
  }
  runsOrError {
    ... on Runs {
      results {
        jobName status
        stats { ... on RunStatsSnapshot { stepsSucceeded stepsFailed materializations } }
        stepStats { stepKey status materializations { partition } }
        eventConnection {
          events { __typename ... on MessageEvent { eventType stepKey level } }
        }
        assetMaterializations { partition }
      }
    }
  }
}
"""


def make_home(folder: Path, storage: tuple[str, str]) -> Path:
    """A folder whose `dagster.yaml` names an event log."""
    module, name = storage
    folder.mkdir(parents=True)
    (folder / "dagster.yaml").write_text(
        "telemetry:\n  enabled: false\n"
        f"event_log_storage:\n  module: {module}\n  class: {name}\n"
        f"  config:\n    base_dir: {json.dumps(str(folder / 'history' / 'runs'))}\n"
    )
    return folder


def run_graph(home: Path, fate: str, first: str, last: str) -> int:
    """Run the graph in a process of its own; its exit code."""
    return _run(home, "-m", GRAPH, fate, first, last).returncode


def ask_graphql(home: Path) -> Any:
    """What the UI is told, by the command that speaks its language."""
    command = "import dagster_graphql.cli as command; command.main()"
    done = _run(home, "-c", command, "-m", GRAPH, "-t", QUERY)
    assert done.returncode == 0, done.stderr
    # Dagster's log goes to the same place.
    answer = json.loads(next(line for line in done.stdout.splitlines() if line[:1] == "{"))
    assert "errors" not in answer, answer
    return answer["data"]


def rows_of(home: Path) -> Mapping[str, Sequence[tuple[Any, ...]]]:
    """What the files hold but for ids of runs, times and what is serialised."""
    runs = home / "history" / "runs"
    queries = {
        "event_logs": "select dagster_event_type, step_key, asset_key, partition "
        "from event_logs order by id",
        "asset_keys": "select asset_key, last_materialization is null, cached_status_data is null "
        "from asset_keys order by 1",
        "asset_event_tags": "select asset_key, key, value in (select run_id from event_logs) "
        "from asset_event_tags order by id",
        "asset_check_executions": "select asset_key, check_name, partition, execution_status, "
        "materialization_event_storage_id is null from asset_check_executions order by id",
    }
    found: dict[str, Sequence[tuple[Any, ...]]] = {}
    with sqlite3.connect(runs / "index.db") as index:
        for table, sql in queries.items():
            found[table] = index.execute(sql).fetchall()
        found["last runs"] = index.execute(
            "select asset_key, (select min(e.id) from event_logs e where e.run_id = last_run_id) "
            "from asset_keys order by 1"
        ).fetchall()
        in_order = index.execute("select run_id from event_logs group by 1 order by min(id)")
        run_ids = [run_id for (run_id,) in in_order.fetchall()]
    for number, run_id in enumerate(run_ids):
        with sqlite3.connect(runs / f"{run_id}.db") as one:
            found[f"events of run {number}"] = one.execute(queries["event_logs"]).fetchall()
    return found


def start_graph(home: Path, fate: str, first: str, last: str) -> subprocess.Popen[str]:
    """Run the graph in a process of its own, which is left at work."""
    return subprocess.Popen(
        _command("-m", GRAPH, fate, first, last),
        env=_environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "ignore", *arguments]


def _environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if "EVENT_BATCH" not in key}
    return kept | {"DAGSTER_HOME": str(home)}


def _run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*arguments),
        env=_environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
