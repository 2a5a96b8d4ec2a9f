"""Backups of a warehouse at work, and what is left of one, or of a restore, that is killed."""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from harvey_pipeline.warehouse.backup import MANIFEST
from harvey_pipeline_tests.cli.commands import harvey_here
from harvey_pipeline_tests.faults import at_point
from harvey_pipeline_tests.faults.conftest import Undisturbed
from harvey_pipeline_tests.faults.stations import (
    FIRST,
    LAST,
    Station,
    assert_as_undisturbed,
    finish,
)
from harvey_pipeline_tests.pipelines import Rows, assert_same_tables

# Each begins with a run, and most start several processes more.
pytestmark = pytest.mark.long


def copy_of(station: Station, root: Path) -> Station:
    """A station with the same drops and the same warehouse."""
    shutil.copytree(station.root, root)
    return Station(root, station.first)


def harvey(station: Station, *arguments: str, **options: Any) -> tuple[int, str]:
    """Exit code and output of a command in a station's folder."""
    finished = finish(station.start(*arguments, **options))
    return finished.returncode, finished.stdout


def do(station: Station, *arguments: str) -> str:
    code, said = harvey(station, *arguments)
    assert code == 0, said
    return said


def assert_refused_here(station: Station, *command: str, part: str) -> None:
    """A command in a station's folder is refused, before it does anything: no process is needed."""
    refused = harvey_here(station.root, *command, **station.settings)
    said = refused.stdout + refused.stderr
    assert (refused.returncode, part in said) == (2, True), said


def leftovers(station: Station) -> list[str]:
    """What a command has left unfinished."""
    return sorted(
        path.name
        for path in station.root.rglob("*")
        if ".unfinished" in path.name or ".next" in path.name
    )


@pytest.fixture(scope="module")
def backed_up(
    undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Station, dict[str, Rows]]:
    """A station with a backup, `backup`, and the tables that are in it."""
    station = copy_of(undisturbed.station, tmp_path_factory.mktemp("backed_up") / "station")
    said = do(station, "backup", "--out", "backup")
    assert "Every file was read again" in said
    return station, undisturbed.tables


@pytest.fixture
def station(backed_up: tuple[Station, dict[str, Rows]], tmp_path: Path) -> Station:
    """The same with a drop that came after the backup, run."""
    station = copy_of(backed_up[0], tmp_path / "station")
    drop = station.landing / "users" / f"{LAST}.csv"
    kept = drop.read_text().splitlines()
    drop.write_text("\n".join([kept[0], *kept[2:], f"newcomer,{FIRST},Partner"]) + "\n")
    station.run_well()
    return station


def is_in(tables: dict[str, Rows], user: str) -> bool:
    return any(row["user_id"] == user for row in tables["core.dim_user"])


# --- backups of a warehouse at work --------------------------------------------------------------


@pytest.mark.long(100)
def test_each_backup_of_a_warehouse_at_work_is_as_of_one_commit(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """Taken one after the other while all is computed; what each lacks is due in what it gives."""
    working = Station(tmp_path / "working", undisturbed.station.first)
    shutil.copytree(undisturbed.station.landing, working.landing)
    run = working.start("run")
    backups: list[Path] = []
    while run.poll() is None:
        out = f"backup-{len(backups)}"
        code, said = harvey(working, "backup", "--out", out)
        if code == 0:
            backups.append(working.root / out)
        else:
            assert "does not exist" in said, said
    assert run.communicate()[0] is not None
    assert run.returncode == 0
    assert backups
    generations = [json.loads((one / MANIFEST).read_text())["generation"] for one in backups]
    # How many there are, and between which of the run's commits, depends on the machine.
    assert generations == sorted(generations)
    chosen = {0, len(backups) // 2, len(backups) - 1}
    for number in chosen:
        shutil.rmtree(working.root / "data")
        do(working, "restore", str(backups[number]))
        working.run_well()
        assert_as_undisturbed(working, undisturbed.tables)


def test_a_backup_of_a_run_that_was_killed_is_gone_on_with(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    killed = Station(tmp_path / "killed", undisturbed.station.first)
    shutil.copytree(undisturbed.station.landing, killed.landing)
    assert killed.run(command=at_point.command("table_committed", 9)).returncode == -9
    do(killed, "backup", "--out", "halfway")
    shutil.rmtree(killed.root / "data")
    do(killed, "restore", str(killed.root / "halfway"))
    killed.run_well()
    assert_as_undisturbed(killed, undisturbed.tables)


# --- backups that are killed ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "count"), [("backup_half_copied", 9), ("backup_not_yet_named", 1)]
)
def test_a_backup_that_is_killed_is_none(
    point: str, count: int, backed_up: tuple[Station, dict[str, Rows]]
) -> None:
    station, tables = backed_up
    killed = harvey(station, "backup", "--out", point, command=at_point.command(point, count))
    assert killed[0] == -9, killed[1]
    assert not (station.root / point).exists()
    assert leftovers(station)
    do(station, "backup", "--out", point)
    assert (station.root / point / MANIFEST).exists()
    assert leftovers(station) == []
    assert_same_tables(station.tables(), tables)


# --- restoring -----------------------------------------------------------------------------------


def test_a_restored_warehouse_is_what_was_backed_up_and_nothing_is_due(
    backed_up: tuple[Station, dict[str, Rows]], tmp_path: Path
) -> None:
    station, tables = backed_up
    elsewhere = Station(tmp_path / "elsewhere", station.first)
    shutil.copytree(station.landing, elsewhere.landing)
    do(elsewhere, "restore", str(station.root / "backup"))
    assert_as_undisturbed(elsewhere, tables)
    assert "Nothing is due" in do(elsewhere, "run")
    # Raw rows by SQL, too: their views name the new folder.
    with duckdb.connect(str(elsewhere.warehouse), read_only=True) as connection:
        [(users,)] = connection.execute("select count(*) from raw.raw_users").fetchall()
    assert users == len(tables["raw.raw_users"])


@pytest.mark.parametrize(
    ("point", "count", "is_restored"),
    [
        ("backup_half_brought", 3, False),
        ("backup_about_to_take_its_place", 1, False),
        ("backup_in_its_place", 1, True),
    ],
)
def test_a_restore_that_is_killed_leaves_the_old_warehouse_or_the_restored_one(
    point: str,
    count: int,
    is_restored: bool,
    station: Station,
    backed_up: tuple[Station, dict[str, Rows]],
) -> None:
    newer = station.tables()
    assert is_in(newer, "newcomer")
    # So that there is something to bring back.
    for path in (station.raw / "raw_events").glob(f"{FIRST}-*.parquet"):
        pl.read_parquet(path).head(1).write_parquet(path)
    killed = harvey(
        station, "restore", "backup", "--replace", command=at_point.command(point, count)
    )
    if killed[0] == 0:
        pytest.fail("it was not killed")
    assert killed[0] == -9, killed[1]
    found = station.tables()
    assert is_in(found, "newcomer") is not is_restored
    assert_same_but_for_raw_events(found, backed_up[1] if is_restored else newer)
    do(station, "restore", "backup", "--replace")
    assert_same_tables(station.tables(), backed_up[1])
    assert leftovers(station) == []
    station.run_well()
    assert_as_undisturbed(station, newer)


def assert_same_but_for_raw_events(found: dict[str, Rows], expected: dict[str, Rows]) -> None:
    """What was done to a file of raw events by hand shows until the backup brings it back."""
    spoiled = {"raw.raw_events": expected["raw.raw_events"]}
    assert_same_tables(found | spoiled, expected)


def test_who_was_erased_since_is_erased_from_what_is_brought_back(
    backed_up: tuple[Station, dict[str, Rows]], tmp_path: Path
) -> None:
    station = copy_of(backed_up[0], tmp_path / "station")
    events = backed_up[1]["core.user_daily_activity"]
    user = str(events[0]["user_id"])
    do(station, "forget", user, "--no-run")
    said = do(station, "restore", "backup", "--replace")
    assert "Finishing the erasure of 1 person" in said
    with duckdb.connect(str(station.warehouse), read_only=True) as connection:
        [(rows,)] = connection.execute("select count(*) from raw.raw_events").fetchall()
        [(erased,)] = connection.execute("select sum(rows_erased) from raw.drops").fetchall()
    assert rows < len(backed_up[1]["raw.raw_events"])
    assert erased > 0
    for name, found in station.tables().items():
        assert not any(user in row.values() for row in found), name
    with duckdb.connect(str(station.published), read_only=True) as connection:
        assert connection.execute(
            "select count(*) from core.dim_user where user_id = ?", [user]
        ).fetchall() == [(0,)]
    files = [path for path in (station.root / "data").rglob("*") if path.is_file()]
    telling = [path.name for path in files if f'"{user}"'.encode() in path.read_bytes()]
    assert telling == []
    station.run_well()
    assert not station.is_anything_due()
    assert not is_in(station.tables(), user)


def test_what_cannot_be_is_refused(
    backed_up: tuple[Station, dict[str, Rows]], tmp_path: Path
) -> None:
    station = copy_of(backed_up[0], tmp_path / "station")
    refusals = {
        ("backup", "--out", "data/backup"): "lies in the warehouse's folder",
        ("backup", "--out", "backup"): "is there already",
        ("backup", "--out", "s3://bucket/backup"): "is no folder of this machine",
        ("restore", "backup"): "Add --replace",
        ("restore", "landing"): "is no backup",
        ("retain", "--as-of", "yesterday"): "give YYYY-MM-DD",
        ("retain", "--as-of", "9999-01-01"): "is yet to come",
    }
    for command, part in refusals.items():
        assert_refused_here(station, *command, part=part)
    (station.root / "data" / "warehouse.forget.json").write_text("{}")
    for command in (("backup", "--out", "another"), ("restore", "backup", "--replace")):
        assert_refused_here(station, *command, part="Finish it with `harvey forget`")
    assert not (station.root / "another").exists()


@pytest.mark.long(100)
def test_periods_are_applied_to_half_a_year(tmp_path: Path) -> None:
    """Scores of 30 days and of the Mondays of 119 are left, and segments are as without that."""
    station = Station(tmp_path, FIRST)
    days = ("--days", "131", "--users", "20", "--firms", "5", "--events-per-day", "20")
    subjects = {"HARVEY_SUBJECTS": "engagement,segments", "HARVEY_START_DATE": "2024-04-01"}
    for command in (("sample", "--out", "landing", *days), ("run",)):
        # So few users make checks of shares fail; all is computed.
        code, said = harvey(station, *command, settings=subjects)
        assert code == 0 or "Computed, but" in said, said
    query = "select distinct date from segments.engagement_scores order by date"
    segments = "select * from segments.user_segments order by all"

    def ask(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(station.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    before = ask(segments)
    code, said = harvey(station, "retain", settings=subjects)
    assert code == 0, said
    assert "kept from 2024-07-11, Mondays from 2024-04-13" in said
    assert "would be deleted, counted back from 2024-08-09" in said
    assert len(ask(query)) == 131
    code, said = harvey(station, "retain", "--apply", settings=subjects)
    assert code == 0, said
    # From Monday, 15 April, to Monday, 8 July; then from 11 July to 9 August.
    left = [date(2024, 4, 15) + timedelta(weeks=week) for week in range(13)]
    left += [date(2024, 7, 11) + timedelta(days=number) for number in range(30)]
    assert [day for (day,) in ask(query)] == left
    code, said = harvey(station, "run", settings=subjects)
    assert "Nothing is due" in said
    # The last day's drop again, with fewer events: what rests on it is computed as ever.
    drop = station.landing / "events" / "2024-08-05.csv"
    drop.write_text("\n".join(drop.read_text().splitlines()[:-2]) + "\n")
    code, said = harvey(station, "run", settings=subjects)
    assert code == 0 or "Computed, but" in said, said
    after = ask(segments)
    assert after[: -len(before) // 10] == before[: -len(before) // 10]
    code, said = harvey(station, "run", settings=subjects)
    assert "Nothing is due" in said
    code, said = harvey(
        station, "run", "--all", "--from", "2024-05-07", "--to", "2024-05-07", settings=subjects
    )
    assert code == 1
    assert "is kept no longer, or rests on what is not" in said
