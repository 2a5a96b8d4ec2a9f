"""`harvey ui`: what it refuses before anything is started, and what it looks after meanwhile."""

import socket
import time
from pathlib import Path

import dagster as dg
import pytest

from harvey_pipeline.cli import ui
from harvey_pipeline_tests.cli.commands import assert_refused
from harvey_pipeline_tests.cli.conftest import Harvey
from harvey_pipeline_tests.graph.event_log_homes import OURS, make_home, start_graph


def test_a_port_that_is_taken_is_refused_and_nothing_is_started(
    tmp_path: Path, harvey: Harvey
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        finished = harvey("ui", "--port", str(port))
    assert_refused(
        finished, f"port {port} of 127.0.0.1 is taken by another process", "another --port"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_a_port_that_no_port_is_is_refused(tmp_path: Path, harvey: Harvey, port: str) -> None:
    assert_refused(harvey("ui", "--port", port), "'--port'")
    assert list(tmp_path.iterdir()) == []


def test_a_host_of_another_machine_is_refused(harvey: Harvey) -> None:
    assert_refused(harvey("ui", "--host", "192.0.2.1"), "192.0.2.1 is no address", "--host")


@pytest.mark.long
def test_a_run_that_is_killed_meanwhile_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path / "home", OURS)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setattr(ui, "_LOOK_SECONDS", 0.1)
    with (
        start_graph(home, "wait", "2024-04-01", "2024-04-01") as process,
        dg.DagsterInstance.from_config(str(home)) as instance,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        with ui._dead_runs_reported():
            [run] = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
            process.kill()
            deadline = time.monotonic() + 20
            while not run.is_finished and time.monotonic() < deadline:
                time.sleep(0.1)
                [run] = instance.get_runs(dg.RunsFilter(run_ids=[run.run_id]))
    assert run.status is dg.DagsterRunStatus.FAILURE
