"""An erasure's order: first what keeps people out and what is to be done, last the record of it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from harvey_pipeline import engagement
from harvey_pipeline.landing.erased import Tombstones
from harvey_pipeline.llm.tables import LLM_CACHE, LLM_TRACES
from harvey_pipeline.privacy.forgetting import (
    ErasureError,
    Places,
    carry_out,
    look_up,
    pending_request,
    survey,
    without_unknown,
)
from harvey_pipeline.privacy.request import (
    Request,
    RequestError,
    read_request,
    record_erasure,
    record_path,
    request_path,
    write_request,
)
from harvey_pipeline.pseudonyms import user_hash
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse
from harvey_pipeline_tests.builders import USERS, csv_text, day_range, landing_file, raw_store
from harvey_pipeline_tests.cli.commands import wait_until

DAY = date(2024, 4, 23)
SOURCES = {source.name: source for source in engagement.SUBJECT.sources}
TABLES = {table.name: table for table in engagement.SUBJECT.raw_tables}
ASKED = Request(("u2",), "tests", "2026-01-02T03:04:05")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Three users of one day, of whom the raw layer alone knows."""
    store = raw_store(tmp_path)
    lines = [f"u{number},2024-04-01,Partner" for number in (1, 2, 3)]
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *lines))
    store.ingest(SOURCES["users"], day_range(DAY))
    warehouse = Warehouse(database=str(tmp_path / "warehouse.duckdb"), lock_timeout_seconds=1)
    home = tmp_path / "home"
    (home / "history" / "runs").mkdir(parents=True)
    return Places(warehouse, store, [SOURCES["users"]], TABLES, home=home)


@contextmanager
def run_going_on(places: Places) -> Iterator[Path]:
    """A process that shows the life of a run, as one that computes does."""
    assert places.home is not None
    path = places.home / "history" / "runs" / "some-run.alive"
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from harvey_pipeline.graph.sign_of_life import show_life\n"
        "show_life(Path(sys.argv[1]))\nprint('alive', flush=True)\ntime.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "alive\n"
        yield path
        process.kill()


def users_of(places: Places) -> list[str]:
    rows = places.warehouse.query("select user_id from raw.raw_users order by 1")
    return [user for (user,) in rows]


def silent(_: str) -> None:
    """Nobody is told."""


def test_a_survey_changes_nothing_and_tells_the_unknown(places: Places) -> None:
    asked = Request(("u2", "u22"), "tests", "2026-01-02T03:04:05")
    found = survey(places, asked, silent)
    assert found.unknown == ("u22",)
    assert found.request.counts == {"raw.raw_users": 1}
    assert [(one.name, one.records) for one in found.landing] == [("users/2024-04-23.csv", 1)]
    assert without_unknown(found.request, found.unknown).user_ids == ("u2",)
    assert users_of(places) == ["u1", "u2", "u3"]
    assert pending_request(places.warehouse.path) is None
    assert not places.raw_store.tombstones_path.exists()


def test_somebody_of_the_landing_folder_alone_is_known(places: Places, tmp_path: Path) -> None:
    landing_file(tmp_path, "users/2024-04-24.csv", csv_text(USERS, "u9,2024-04-01,Partner"))
    found = survey(places, Request(("u9",), "tests", "now"), silent)
    assert (found.unknown, found.request.counts) == ((), {})
    carry_out(places, found.request, silent)
    assert Tombstones.read(places.raw_store.tombstones_path).is_erased("u9")


def test_a_run_that_goes_on_is_waited_for_and_then_the_request_is_left(places: Places) -> None:
    told: list[str] = []
    with run_going_on(places) as life:
        with pytest.raises(ErasureError, match="some-run still goes on after 1 s"):
            carry_out(places, ASKED, told.append)
        assert "waiting for run some-run" in told
        # From now on nothing of theirs is taken in, and what is to be done is known.
        assert Tombstones.read(places.raw_store.tombstones_path).is_erased("u2")
        assert users_of(places) == ["u1", "u2", "u3"]
    wait_until(life.exists, 5)
    request = pending_request(places.warehouse.path)
    assert request is not None
    assert request.counts == {"raw.raw_users": 1}
    carry_out(places, request, silent)
    assert users_of(places) == ["u1", "u3"]
    assert pending_request(places.warehouse.path) is None


def test_what_went_is_told_of_a_request_that_had_ids_alone(places: Places) -> None:
    """As a restored backup asks."""
    assert carry_out(places, ASKED, silent).counts == {"raw.raw_users": 1}


def test_it_is_recorded_once_by_hash(places: Places) -> None:
    request, _ = look_up(places, ASKED, silent)
    carry_out(places, request, silent)
    # As a process does that finishes what another one had done but for removing the request.
    carry_out(places, request, silent)
    path = record_path(places.warehouse.path)
    [line] = [json.loads(line) for line in path.read_text().splitlines()]
    stones = Tombstones.read(places.raw_store.tombstones_path)
    assert line["user_hashes"] == [stones.hash_of("u2")]
    assert (line["asked_by"], line["counts"]) == ("tests", {"raw.raw_users": 1})
    assert "u2" not in path.read_text()


def test_a_record_that_was_torn_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "w.erasures.jsonl"
    record_erasure(path, ASKED, ["00"])
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"asked_at": "20')
    record_erasure(path, Request(("u3",), "others", "later"), ["01"])
    first, second = path.read_bytes().splitlines()
    assert first + b"\n" == whole
    assert json.loads(second)["asked_by"] == "others"


def test_a_request_is_the_owners_alone_and_reads_as_it_was_written(tmp_path: Path) -> None:
    path = request_path(tmp_path / "w.duckdb")
    request = Request(("u1",), "me", "now", ("a@x.com",), ("00",), {"core": ["words"]}, {"t": 2})
    write_request(path, request)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_request(path) == request
    path.write_text("{}")
    with pytest.raises(RequestError, match="is no request to forget anybody"):
        read_request(path)


def rows_of_models(table: Table, *given: dict[str, Any]) -> pl.LazyFrame:
    """Rows of a table of which only what is given matters."""
    blank: dict[type[pl.DataType], Any] = {
        pl.String: "-",
        pl.Enum: "ok",
        pl.Date: DAY,
        pl.Datetime: datetime(2024, 4, 23),
        pl.Int64: 0,
        pl.Float64: 0.0,
    }
    rows = [
        {name: blank[type(dtype)] for name, dtype in table.polars_schema.items()} | one
        for one in given
    ]
    return pl.LazyFrame(rows, schema=table.polars_schema)


def test_answers_and_traces_of_models_go_with_or_without_a_pseudonym(places: Places) -> None:
    secret = "of the tests"
    mine = user_hash(secret, "", "u2")
    others = user_hash(secret, "", "u3")
    places.warehouse.write(
        {
            LLM_CACHE: rows_of_models(
                LLM_CACHE,
                {"row_hash": "a", "user_id": "u2", "output": "told of u2"},
                {"row_hash": "b", "user_id": "u3", "output": "told of u3"},
            ),
            LLM_TRACES: rows_of_models(
                LLM_TRACES,
                {"call_id": "1", "row_hash": "a", "user_hash": None},
                {"call_id": "2", "row_hash": "c", "user_hash": mine},
                {"call_id": "3", "row_hash": "b", "user_hash": others},
                {"call_id": "4", "row_hash": "b", "user_hash": None},
            ),
        },
        day_range(DAY),
    )
    tables = {**TABLES, LLM_CACHE.name: LLM_CACHE, LLM_TRACES.name: LLM_TRACES}
    knowing = replace(places, tables=tables, secret=secret)
    request, _ = look_up(knowing, ASKED, silent)
    assert request.counts == {"raw.raw_users": 1, "llm.llm_cache": 1, "llm.llm_traces": 1}
    carry_out(knowing, request, silent)
    read = places.warehouse.query
    assert read(f"select user_id, row_hash from {LLM_CACHE}") == [("u3", "b")]
    # What the calls have cost stays in the account; of whom they were does not.
    columns = "call_id, user_hash, input_context, output"
    assert read(f"select {columns} from {LLM_TRACES} order by 1") == [
        ("1", None, None, None),
        ("2", None, None, None),
        ("3", others, "-", "-"),
        ("4", None, "-", "-"),
    ]


def test_a_warehouse_that_another_process_holds_is_waited_for(places: Places) -> None:
    code = (
        "import duckdb, sys, time\nkept = duckdb.connect(sys.argv[1])\n"
        "print('held', flush=True)\ntime.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(places.warehouse.path)]
    request, _ = look_up(places, ASKED, silent)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(Exception, match="still locked after 1 s"):
            carry_out(places, request, silent)
        process.kill()
    assert pending_request(places.warehouse.path) == request
    with duckdb.connect(str(places.warehouse.path), read_only=True) as connection:
        assert connection.execute("select count(*) from raw.raw_users").fetchall() == [(3,)]
