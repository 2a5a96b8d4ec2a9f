"""Traces in Dagster's folder: gone from rows, free pages and logs, and the rest as it was."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg

from harvey_pipeline.privacy.dagster_home import count_in_home, erase_from_home
from harvey_pipeline.privacy.wording import ERASED, Traces
from harvey_pipeline_tests.graph.event_log_homes import OURS, make_home

ANA = Traces(("user-1", "ana@example.com"), ("a question of my own",))


def make_database(path: Path) -> None:
    """A file in the mode of Dagster's, with a deleted row in its free pages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"preview": "| user | n |\n| user-1 | 2 |\n| user-12 | 3 |", "rows": 2}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table event_logs (id integer primary key, event text, raw blob)")
        connection.execute("insert into event_logs values (1, ?, null)", [json.dumps(told)])
        connection.execute("insert into event_logs values (2, 'no JSON: ana@example.com', x'00ff')")
        connection.execute("insert into event_logs values (3, '{\"n\": 1}', ?)", [b"user-1 told"])
        connection.execute("insert into event_logs values (4, ?, null)", ["user-1 " * 5_000])
        connection.execute("delete from event_logs where id = 4")


def test_what_tells_is_replaced_line_by_line_and_no_byte_is_left(tmp_path: Path) -> None:
    database = tmp_path / "history" / "runs" / "index.db"
    make_database(database)
    (tmp_path / "storage").mkdir()
    log = tmp_path / "storage" / "step.out"
    log.write_text("one\na question of my own, and more\nthree\n")
    assert count_in_home(tmp_path, ANA) == 4
    assert erase_from_home(tmp_path, ANA) == 4
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("select event, raw from event_logs order by id").fetchall()
    assert json.loads(rows[0][0]) == {
        "preview": f"| user | n |\n{ERASED}\n| user-12 | 3 |",
        "rows": 2,
    }
    assert rows[1:] == [(ERASED, b"\x00\xff"), ('{"n": 1}', ERASED.encode())]
    assert log.read_text() == f"one\n{ERASED}\nthree\n"
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for word in (b"user-1 ", b"| user-1 |", b"ana@example.com", b"question of my own"):
        assert word not in content
    assert b"user-12" in content
    assert count_in_home(tmp_path, ANA) == erase_from_home(tmp_path, ANA) == 0


def test_dagster_still_reads_its_events(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", OURS)
    key = dg.AssetKey(["core", "things"])

    @dg.asset(key=key)
    def things() -> dg.MaterializeResult[None]:
        preview = dg.MetadataValue.md("| id |\n| user-1 |\n| user-2 |")
        return dg.MaterializeResult(metadata={"preview": preview, "rows": 2})

    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert dg.materialize([things], instance=instance).success
    assert count_in_home(home, ANA) > 0
    erase_from_home(home, ANA)
    assert count_in_home(home, ANA) == 0
    with dg.DagsterInstance.from_config(str(home)) as instance:
        event = instance.get_latest_materialization_event(key)
        assert event is not None
        assert event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        assert metadata["preview"].value == f"| id |\n{ERASED}\n| user-2 |"
        assert metadata["rows"].value == 2
