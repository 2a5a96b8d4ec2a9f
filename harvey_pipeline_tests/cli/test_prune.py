"""`harvey prune`: superseded runs are named, and removed."""

import re
from pathlib import Path

import pytest

from harvey_pipeline_tests.cli.commands import assert_refused
from harvey_pipeline_tests.cli.conftest import Harvey
from harvey_pipeline_tests.graph.event_log_homes import DAGSTERS, OURS, make_home, run_graph

RANGE = ("2024-04-01", "2024-04-03")


@pytest.mark.long
def test_superseded_runs_are_named_and_then_removed(tmp_path: Path, harvey: Harvey) -> None:
    home = make_home(tmp_path / "home", OURS)
    for _ in range(3):
        assert run_graph(home, "succeed", *RANGE) == 0
    dry = harvey("prune", "--dry-run", "--dagster-home", str(home))
    assert (dry.returncode, dry.stderr) == (0, "")
    named = re.findall(r"^Would remove (\S+): (\w+), (.*)$", dry.stdout, re.MULTILINE)
    assert sorted((job, days) for _, job, days in named) == [
        ("days", "2024-04-01 to 2024-04-03"),
        ("days", "2024-04-01 to 2024-04-03"),
        ("whole", "no days"),
        ("whole", "no days"),
    ]
    assert "4 runs superseded, 2 kept" in dry.stdout
    files = {path.stem for path in (home / "history" / "runs").glob("*.db")}
    assert {run_id for run_id, _, _ in named} < files
    done = harvey("prune", "--dagster-home", str(home))
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 runs removed, 2 kept" in done.stdout
    left = {path.stem for path in (home / "history" / "runs").glob("*.db")}
    assert left == files - {run_id for run_id, _, _ in named}
    assert "0 runs removed, 2 kept" in harvey("prune", "--dagster-home", str(home)).stdout


def test_without_runs_there_is_nothing_to_prune(harvey: Harvey) -> None:
    assert_refused(harvey("prune"), "holds no runs of Dagster", "--dagster-home")


def test_another_event_log_is_refused(tmp_path: Path, harvey: Harvey) -> None:
    home = make_home(tmp_path / "home", DAGSTERS)
    assert_refused(
        harvey("prune", "--dagster-home", str(home)), "names SqliteEventLogStorage", "in the UI"
    )
