"""Runs whose process is gone are told from those at work, and reported as failed."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from harvey_pipeline.graph import dead_runs
from harvey_pipeline.graph.dead_runs import DEAD_TAG, report_dead_runs
from harvey_pipeline_tests.graph import event_log_graph
from harvey_pipeline_tests.graph.event_log_homes import (
    DAGSTERS,
    OURS,
    make_home,
    run_graph,
    start_graph,
)

RANGE = ("2024-04-01", "2024-04-03")
STARTED, STARTING, CANCELING, FAILURE, SUCCESS = (
    dg.DagsterRunStatus[name] for name in ("STARTED", "STARTING", "CANCELING", "FAILURE", "SUCCESS")
)


def statuses(instance: dg.DagsterInstance) -> dict[str, dg.DagsterRunStatus]:
    """The status of the newest run of each job."""
    return {run.job_name: run.status for run in reversed(instance.get_runs())}


def lives(home: Path) -> list[Path]:
    return list((home / "history" / "runs").glob("*.alive"))


@pytest.mark.long
@pytest.mark.parametrize("is_canceling", [False, True])
def test_a_run_is_dead_once_its_process_is_killed(tmp_path: Path, is_canceling: bool) -> None:
    home = make_home(tmp_path / "home", OURS)
    with (
        start_graph(home, "wait", *RANGE) as process,
        dg.DagsterInstance.from_config(str(home)) as instance,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        assert statuses(instance) == {"whole": SUCCESS, "days": STARTED}
        assert len(lives(home)) == 1
        assert report_dead_runs(instance) == []
        if is_canceling:
            instance.report_run_canceling(instance.get_runs(limit=1)[0])
            assert report_dead_runs(instance) == []
            assert statuses(instance)["days"] is CANCELING
        process.kill()
        process.wait()
        [dead] = report_dead_runs(instance)
        assert dead.job_name == "days"
        assert statuses(instance) == {"whole": SUCCESS, "days": FAILURE}
        [told] = instance.all_logs(dead.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        assert told.message.startswith("The process of this run is gone: it was killed")
        assert DEAD_TAG in instance.get_runs(limit=1)[0].tags
        assert report_dead_runs(instance) == []
    assert lives(home) == []


@pytest.mark.long
@pytest.mark.parametrize("fate", ["succeed", "raise"])
def test_a_run_that_ends_leaves_no_sign_of_life(tmp_path: Path, fate: str) -> None:
    home = make_home(tmp_path / "home", OURS)
    assert run_graph(home, fate, *RANGE) == 0
    assert lives(home) == []
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert report_dead_runs(instance) == []


@pytest.mark.long
def test_nothing_is_known_of_runs_in_another_event_log(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", DAGSTERS)
    assert run_graph(home, "kill", *RANGE) == -9
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert report_dead_runs(instance) == []
        assert statuses(instance)["days"] is STARTED


def test_a_run_whose_process_never_came_is_dead_after_some_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path / "home", OURS)
    job = event_log_graph.defs.resolve_job_def("whole")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run = instance.create_run_for_job(job, status=STARTING)
        assert report_dead_runs(instance) == []
        monkeypatch.setattr(dead_runs, "_STARTS_WITHIN", timedelta(seconds=-5))
        assert [one.run_id for one in report_dead_runs(instance)] == [run.run_id]
        assert statuses(instance) == {"whole": FAILURE}
