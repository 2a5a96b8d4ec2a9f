"""Recorded runs: the superseded ones go, with their events, and the others stay as they are."""

from pathlib import Path

import dagster as dg
import pytest

from harvey_pipeline.graph.pruning import PruningError, find_prunable, prune
from harvey_pipeline_tests.graph.event_log_graph import run_days
from harvey_pipeline_tests.graph.event_log_homes import DAGSTERS, OURS, make_home, rows_of


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path / "home", OURS)


def superseded(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in find_prunable(instance).superseded}


def test_a_range_that_is_run_again_leaves_one_run(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        first = run_days(instance, "2024-04-01", "2024-04-03")
        rows = {table: len(found) for table, found in rows_of(home).items()}
        again = [run_days(instance, "2024-04-01", "2024-04-03") for _ in range(3)]
        assert superseded(instance) == {first, *again[:-1]}
        before = shown(instance)
        prune(instance, find_prunable(instance).superseded)
        assert shown(instance) == before
        assert {run.run_id for run in instance.get_runs()} == {again[-1]}
        assert {path.stem for path in (home / "history" / "runs").glob("*.db")} == {
            "index",
            again[-1],
        }
        assert {table: len(found) for table, found in rows_of(home).items()} == rows
        assert superseded(instance) == set()
        # And it goes on as before.
        run_days(instance, "2024-04-04", "2024-04-04")
        assert len(shown(instance)["first"]) == 4


@pytest.mark.long
def test_a_run_of_which_one_day_is_the_newest_is_kept(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run_days(instance, "2024-04-01", "2024-04-03")
        run_days(instance, "2024-04-01", "2024-04-02")
        assert superseded(instance) == set()
        run_days(instance, "2024-04-03", "2024-04-03")
        # Of the first run only the planned checks of no day are left, and those were planned anew.
        assert len(superseded(instance)) == 1


def test_a_failure_that_the_ui_shows_is_kept(home: Path) -> None:
    """Until its days succeed, who looks wants to know why they failed."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        good = run_days(instance, "2024-04-01", "2024-04-03")
        bad = run_days(instance, "2024-04-01", "2024-04-03", "raise")
        assert superseded(instance) == set()
        # The good run is the newest for what the bad one did not come to.
        assert good in {run.run_id for run in instance.get_runs()}
        run_days(instance, "2024-04-01", "2024-04-03")
        assert superseded(instance) == {good, bad}


def test_a_run_that_has_not_ended_is_kept(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        going = run_days(instance, "2024-04-01", "2024-04-03")
        run_days(instance, "2024-04-01", "2024-04-03")
        assert superseded(instance) == {going}
        unended = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_START.value, "days")
        instance.run_storage.handle_run_event(going, unended)
        assert superseded(instance) == set()


def test_another_event_log_is_refused(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", DAGSTERS)
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        pytest.raises(PruningError, match="SqliteEventLogStorage as its event log"),
    ):
        find_prunable(instance)


def shown(instance: dg.DagsterInstance) -> dict[str, list[tuple[str, str]]]:
    """The runs that the partitions of the assets and their checks are shown with."""
    found = {}
    for name in ("first", "second", "third"):
        key = dg.AssetKey(name)
        partitions = instance.get_materialized_partitions(key)
        newest = [
            instance.get_latest_data_version_record(key, partition_key=partition)
            for partition in sorted(partitions)
        ]
        found[name] = [(str(one.partition_key), one.run_id) for one in newest if one is not None]
    for asset, check in (("first", "holds"), ("first", "warns"), ("third", "fails")):
        record = instance.get_latest_asset_check_evaluation_record(
            dg.AssetCheckKey(dg.AssetKey(asset), check)
        )
        found[check] = [] if record is None else [(check, record.run_id)]
    return found
