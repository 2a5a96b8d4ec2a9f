"""The event log beside Dagster's own: the same runs, partitions and checks for whoever asks."""

import sqlite3
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import AssetMaterializationPlannedData
from dagster._core.storage.event_log import SqliteEventLogStorage

from harvey_pipeline.graph.event_log import KeptOpenSqliteEventLogStorage
from harvey_pipeline_tests.graph.event_log_homes import (
    DAGSTERS,
    OURS,
    ask_graphql,
    make_home,
    rows_of,
    run_graph,
)

RANGE = ("2024-04-01", "2024-04-03")


@pytest.mark.long
@pytest.mark.parametrize(
    ("fate", "code", "status"),
    [("succeed", 0, "SUCCESS"), ("raise", 0, "FAILURE"), ("kill", -9, "STARTED")],
)
def test_both_storages_show_the_same(tmp_path: Path, fate: str, code: int, status: str) -> None:
    homes = [
        make_home(tmp_path / name, kind) for name, kind in (("ours", OURS), ("theirs", DAGSTERS))
    ]
    for home in homes:
        # The range after one of its days, so that there is something to be written over.
        assert run_graph(home, "succeed", RANGE[1], RANGE[1]) == 0
        assert run_graph(home, fate, *RANGE) == code
    ours, theirs = map(ask_graphql, homes)
    assert ours == theirs
    assert rows_of(homes[0]) == rows_of(homes[1])
    newest = ours["runsOrError"]["results"][0]
    assert (newest["jobName"], newest["status"]) == ("days", status)
    [first] = [node for node in ours["assetNodes"] if node["assetKey"]["path"] == ["first"]]
    assert first["assetPartitionStatuses"]["ranges"] == [
        {"status": "MATERIALIZED", "startKey": RANGE[0], "endKey": RANGE[1]}
    ]
    assert {one["partition"] for one in first["assetMaterializations"]} == {
        "2024-04-01",
        "2024-04-02",
        "2024-04-03",
    }


def entry(run_id: str, partition: str) -> dg.EventLogEntry:
    """The materialisation of a day."""
    planned = dg.DagsterEvent(
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
        "job",
        event_specific_data=AssetMaterializationPlannedData(
            dg.AssetKey("day"), partition=partition
        ),
    )
    return logged(run_id, planned)


def logged(run_id: str, event: dg.DagsterEvent) -> dg.EventLogEntry:
    """An event as a run's log holds it."""
    return dg.EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level=10,
        user_message="",
        run_id=run_id,
        timestamp=1.0,
        dagster_event=event,
    )


def test_a_batch_that_cannot_be_stored_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster then stores its events one by one: what was stored would be there twice."""
    storage = KeptOpenSqliteEventLogStorage(str(tmp_path))
    batch = [entry("r", f"2024-04-{day:02}") for day in range(1, 4)]
    with monkeypatch.context() as broken:

        def fail(*_: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        broken.setattr(storage, "_store_planned_checks", fail)
        with pytest.raises(sqlite3.OperationalError):
            storage.store_event_batch(batch)
    assert counts(tmp_path, "r") == (0, 0)
    storage.store_event_batch(batch)
    assert counts(tmp_path, "r") == (3, 3)
    storage.dispose()


@pytest.mark.parametrize("kind", [KeptOpenSqliteEventLogStorage, SqliteEventLogStorage])
def test_what_is_told_of_a_check_outside_of_runs_is_added(
    tmp_path: Path, kind: type[SqliteEventLogStorage]
) -> None:
    """It has no run, and so no row that says it was planned: none is written over."""
    storage = kind(str(tmp_path))
    for is_passed in (True, False):
        storage.store_event(evaluation("", is_passed=is_passed))
    storage.dispose()
    told = [("holds", "", "SUCCEEDED", "1970-01-01 00:00:01.000000", 1)]
    assert checks_in(tmp_path) == [*told, ("holds", "", "FAILED", "1970-01-01 00:00:01.000000", 2)]


def test_an_evaluation_that_cannot_be_stored_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = KeptOpenSqliteEventLogStorage(str(tmp_path))

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(storage, "_store_evaluated_checks", fail)
    with pytest.raises(sqlite3.OperationalError):
        storage.store_event(evaluation("r", is_passed=True))
    storage.dispose()
    assert counts(tmp_path, "r") == (0, 0)


def evaluation(run_id: str, *, is_passed: bool) -> dg.EventLogEntry:
    """What became of a check."""
    told = dg.DagsterEvent(
        dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
        "job",
        event_specific_data=dg.AssetCheckEvaluation(
            dg.AssetKey("day"), "holds", is_passed, metadata={}
        ),
    )
    return logged(run_id, told)


def checks_in(folder: Path) -> list[tuple[object, ...]]:
    """What the index says of checks."""
    with sqlite3.connect(folder / "index.db") as index:
        return index.execute(
            "select check_name, run_id, execution_status, evaluation_event_timestamp, "
            "evaluation_event_storage_id from asset_check_executions order by id"
        ).fetchall()


def test_the_files_of_all_runs_are_made_alike(tmp_path: Path) -> None:
    """The first by Dagster's own migrations, the next by what they came to."""
    storage = KeptOpenSqliteEventLogStorage(str(tmp_path))
    for run_id in ("first", "second"):
        storage.store_event(entry(run_id, "2024-04-01"))
    storage.dispose()
    first, second = (tables_in(tmp_path / f"{run_id}.db") for run_id in ("first", "second"))
    assert first == second
    assert {"event_logs", "alembic_version"} <= {name for name, *_ in first[0]}
    assert len(first[1]) == 1
    assert counts(tmp_path, "second")[1] == 1


def test_only_dagsters_own_reading_is_used() -> None:
    """Guards against a reader of ours that shows something else."""
    own = set(vars(KeptOpenSqliteEventLogStorage)) & set(dir(SqliteEventLogStorage))
    public = {name for name in own if not name.startswith("_")}
    assert public == {
        "config_type",
        "dispose",
        "from_config_value",
        "has_table",
        "register_instance",
        "store_event",
        "store_event_batch",
    }


def tables_in(file: Path) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """A file's columns by table, and the revision that alembic notes in it."""
    with sqlite3.connect(file) as connection:
        columns = connection.execute(
            'select m.name, c.name, c.type, c."notnull", c.pk from sqlite_master m, '
            "pragma_table_info(m.name) c where m.type = 'table' order by 1, 2"
        ).fetchall()
        return columns, connection.execute("select version_num from alembic_version").fetchall()


def counts(folder: Path, run_id: str) -> tuple[int, int]:
    """How many events are in the index, and in a run's file."""
    found = []
    for name in ("index", run_id):
        if not (folder / f"{name}.db").exists():
            found.append(0)
            continue
        with sqlite3.connect(folder / f"{name}.db") as connection:
            found.append(connection.execute("select count(*) from event_logs").fetchone()[0])
    return found[0], found[1]
