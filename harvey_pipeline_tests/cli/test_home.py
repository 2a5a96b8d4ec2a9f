"""Dagster's folder: what a new one gets, and that it may be moved with all that is in it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from harvey_pipeline.cli.home import prepare_dagster_home
from harvey_pipeline.settings import read_settings
from harvey_pipeline_tests.cli.commands import environment, one_day
from harvey_pipeline_tests.cli.conftest import Harvey
from harvey_pipeline_tests.graph.event_log_homes import run_graph

RANGE = ("2024-04-01", "2024-04-02")
FORMER = """\
event_log_storage:
  module: {module}
  class: KeptOpenSqliteEventLogStorage
  config:
    base_dir: {place}
"""
NOW = """\
event_log_storage:
  module: harvey_pipeline.graph.event_log
  class: KeptOpenSqliteEventLogStorage
"""


def prepare(home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `harvey run` and `harvey ui` do with the folder; its settings afterwards."""
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    prepare_dagster_home(read_settings())
    return (home / "dagster.yaml").read_text()


def former_home(home: Path, place: Path, module: str = "harvey_pipeline.graph.event_log") -> str:
    """A folder as another version has set it up; its settings."""
    home.mkdir(parents=True, exist_ok=True)
    text = "telemetry:\n  enabled: false\n"
    text += FORMER.format(module=module, place=json.dumps(str(place)))
    (home / "dagster.yaml").write_text(text)
    return text


def events_by_run(home: Path) -> dict[str, int]:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return {run.run_id: len(instance.all_logs(run.run_id)) for run in instance.get_runs()}


@pytest.mark.long
@pytest.mark.parametrize("move", [shutil.move, shutil.copytree], ids=["moved", "copied"])
def test_events_lie_in_the_folder_wherever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, move: Callable[[Path, Path], object]
) -> None:
    before, now = tmp_path / "it's [1]", tmp_path / "now"
    prepare(before, monkeypatch)
    assert run_graph(before, "succeed", *RANGE) == 0
    first = events_by_run(before)
    assert len(first) == 2
    move(before, now)
    shutil.rmtree(before, ignore_errors=True)
    assert run_graph(now, "succeed", *RANGE) == 0
    both = events_by_run(now)
    assert len(both) == 4
    assert first.items() <= both.items()
    assert all(count > 5 for count in both.values())
    assert not before.exists()


@pytest.mark.long
def test_a_folder_that_many_processes_find_empty_at_once_is_made_once(tmp_path: Path) -> None:
    """Dagster's own way of making its databases fails where two processes do it at once."""
    home = tmp_path / "home"
    home.mkdir()
    prepared = "from harvey_pipeline.cli.home import prepare_dagster_home as prepare"
    opened = "import dagster as dg; prepare(None); dg.DagsterInstance.get().get_runs()"
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", f"{prepared}; {opened}"],
            env=environment() | {"DAGSTER_HOME": str(home)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    told = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, told
    assert sorted(path.name for path in home.iterdir()) == ["dagster.yaml", "history", "schedules"]


@pytest.mark.parametrize("left", [(), ("history",), ("dagster.yaml", "history")])
def test_a_folder_whose_making_was_cut_short_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: tuple[str, ...]
) -> None:
    whole, home = tmp_path / "whole", tmp_path / "home"
    prepare(whole, monkeypatch)
    (home / ".in_the_making").mkdir(parents=True)
    (home / ".in_the_making" / "dagster.yaml").write_text("telem")
    for name in left:
        copy = shutil.copytree if (whole / name).is_dir() else shutil.copy
        copy(whole / name, home / name)
    prepare(home, monkeypatch)
    names = [{path.relative_to(one) for path in one.rglob("*")} for one in (home, whole)]
    assert names[0] == names[1]
    assert (home / "dagster.yaml").read_bytes() == (whole / "dagster.yaml").read_bytes()
    assert events_by_run(home) == {}


@pytest.mark.long
@pytest.mark.parametrize("module", ["harvey_pipeline.event_log", "harvey_pipeline.graph.event_log"])
def test_the_place_that_another_version_has_written_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    home = tmp_path / 'a "Hóme"'
    former_home(home, home / "history" / "runs", module)
    assert prepare(home, monkeypatch) == f"telemetry:\n  enabled: false\n{NOW}"
    assert run_graph(home, "succeed", *RANGE) == 0
    assert len(events_by_run(home)) == 2


@pytest.mark.long
def test_a_folder_that_was_moved_under_another_version_finds_its_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    former_home(before, before / "history" / "runs")
    assert run_graph(before, "succeed", *RANGE) == 0
    shutil.move(before, now)
    assert prepare(now, monkeypatch) == f"telemetry:\n  enabled: false\n{NOW}"
    assert all(count > 5 for count in events_by_run(now).values())
    assert not before.exists()


@pytest.mark.long
@pytest.mark.parametrize("place", ["elsewhere/history/runs", "events"])
def test_a_place_of_the_users_own_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    home = tmp_path / "home"
    text = former_home(home, tmp_path / place)
    assert prepare(home, monkeypatch) == text
    assert run_graph(home, "succeed", *RANGE) == 0
    assert (tmp_path / place / "index.db").exists()
    assert prepare(home, monkeypatch) == text


@pytest.mark.long
def test_a_data_folder_may_be_moved(tmp_path: Path, harvey: Harvey) -> None:
    one_day(tmp_path)
    before, now = tmp_path / "before", tmp_path / "now"
    for folder in (before, now):
        if folder is now:
            shutil.move(before, now)
        warehouse = f"{folder.name}/warehouse.duckdb"
        run = ("run", "--all", "--landing-dir", "landing", "--warehouse", warehouse)
        assert harvey(*run).returncode == 0
    assert not before.exists()
    counts = events_by_run(now / "dagster_home").values()
    assert len(counts) == 4
    assert min(counts) > 5
    with duckdb.connect(str(now / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.sql("select count(*) from raw.raw_users").fetchall() == [(10,)]


@pytest.mark.long
def test_dagsters_own_commands_print_no_debug_lines(tmp_path: Path, harvey: Harvey) -> None:
    one_day(tmp_path)
    home = str(tmp_path / "data" / "dagster_home")
    assert harvey("run", "--landing-dir", "landing").returncode == 0
    done = subprocess.run(
        [
            *(sys.executable, "-m", "dagster", "asset", "materialize"),
            *("-m", "harvey_pipeline.definitions", "--partition", "2024-04-01"),
            *("--select", "tag:partitions=days"),
        ],
        cwd=tmp_path,
        env=environment() | {"DAGSTER_HOME": home, "HARVEY_LANDING_DIR": "landing"},
        capture_output=True,
        text=True,
        check=True,
    )
    printed = (done.stdout + done.stderr).splitlines()
    assert len(printed) < 20
    assert [line for line in printed if "DEBUG" in line or "backfill_policy" in line] == []
    with dg.DagsterInstance.from_config(home) as instance:
        run = instance.get_runs(limit=1)[0]
        kinds = {entry.dagster_event_type for entry in instance.all_logs(run.run_id)}
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert {dg.DagsterEventType.STEP_START, dg.DagsterEventType.ASSET_MATERIALIZATION} <= kinds
