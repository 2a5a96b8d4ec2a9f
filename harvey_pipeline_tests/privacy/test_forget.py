"""`harvey forget` from end to end, over a dirty sample with all subjects, by processes."""

import json
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import polars as pl
import pytest

from harvey_pipeline_tests.cli.commands import HARVEY, Finished, environment, run_harvey
from harvey_pipeline_tests.privacy.searching import find_words

# What all of these start from takes a minute to make: one process runs them.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("forget")]

ALL_SUBJECTS: Final = {"HARVEY_SUBJECTS": "", "POLARS_MAX_THREADS": "1"}
SAMPLE: Final = (
    *("--users", "24", "--firms", "5", "--days", "9", "--events-per-day", "30"),
    *("--dirty", "0.05"),
)
FORGOTTEN: Final = ('user-"Bo", Esq.', "user-02", "annotator1@example.com")
"""One with a difficult id, a manager with an account, and somebody known only by an address."""

OWN_TO_A_RUN: Final = {"raw.drops": ("loaded_at", "data_file")}


class Computed(NamedTuple):
    """A folder with `landing` and a computed warehouse, and what stands in it of the forgotten."""

    folder: Path
    words: tuple[str, ...]


def forget(folder: Path, *arguments: str) -> Finished:
    return run_harvey(folder, "forget", *arguments, **in_folder(folder))


def in_folder(folder: Path) -> dict[str, str]:
    return {
        **ALL_SUBJECTS,
        "HARVEY_LANDING_DIR": str(folder.parent / "landing"),
        "HARVEY_WAREHOUSE": str(folder / "warehouse.duckdb"),
    }


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forgetting")
    made = run_harvey(folder, "sample", "--out", "landing", *SAMPLE, **ALL_SUBJECTS)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="module")
def computed(landing: Path) -> Computed:
    """A warehouse of which everybody is still part."""
    folder = landing / "computed"
    folder.mkdir()
    ran = run_harvey(folder, "run", **in_folder(folder))
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        # An address that somebody else has too is not the person's alone.
        addresses = connection.execute(
            "with held as (select user_id, email from conversations.dim_account union "
            "select user_id, email from segments.dim_employee) "
            "select email from held where email is not null group by 1 "
            "having bool_and(list_contains(?, user_id))",
            [list(FORGOTTEN)],
        ).fetchall()
        messages = connection.execute(
            "select first_message from conversations.conversation_daily where user_id in ? "
            "and length(first_message) > 20",
            [list(FORGOTTEN)],
        ).fetchall()
    words = [*FORGOTTEN, *(address for (address,) in addresses)]
    assert len(words) >= 5
    assert messages, "the sample has too little to erase"
    return Computed(folder, (*words, *(message for (message,) in messages)))


@pytest.fixture(scope="module")
def forgotten(landing: Path, computed: Computed) -> tuple[Path, Finished]:
    folder = landing / "forgotten"
    shutil.copytree(computed.folder, folder)
    return folder, forget(folder, *FORGOTTEN, "--by", "the data protection officer")


@pytest.fixture(scope="module")
def expected(landing: Path, forgotten: tuple[Path, Finished]) -> Path:
    """A warehouse that never knew the forgotten: its tombstones were there before its first run."""
    folder = landing / "expected"
    folder.mkdir()
    shutil.copy(forgotten[0] / "warehouse.erased.jsonl", folder)
    ran = run_harvey(folder, "run", **in_folder(folder))
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    return folder


def tables_of(folder: Path) -> dict[str, pl.DataFrame]:
    """All tables of a warehouse but its own records, their rows in order."""
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        names = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where database_name = current_database() and schema_name <> 'meta' order by 1"
        ).fetchall()
        return {
            name: connection.sql(f"select * from {name} order by all")
            .pl()
            .drop(OWN_TO_A_RUN.get(name, ()))
            for (name,) in names
        }


def assert_same_tables(found: Path, wanted: Path) -> None:
    one, other = tables_of(found), tables_of(wanted)
    assert one.keys() == other.keys()
    different = [name for name, rows in one.items() if not rows.equals(other[name])]
    assert different == []
    assert sum(rows.height for rows in one.values()) > 1_000


def test_a_dry_run_says_what_would_go_and_changes_nothing(computed: Computed) -> None:
    before = {
        path: path.read_bytes() for path in sorted(computed.folder.rglob("*")) if path.is_file()
    }
    done = forget(computed.folder, *FORGOTTEN, "nobody-known", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Unknown: nobody-known" in done.stdout
    with duckdb.connect(str(computed.folder / "warehouse.duckdb"), read_only=True) as connection:
        [(rows,)] = connection.execute(
            "select count(*) from marts.daily_user_engagement where user_id in ?",
            [list(FORGOTTEN)],
        ).fetchall()
    assert re.search(rf"^ +{rows}  marts.daily_user_engagement$", done.stdout, re.MULTILINE)
    assert "files of the landing folder still hold them" in done.stdout
    assert "  users/2024-04-01.csv (" in done.stdout
    assert "  annotators/2024-04-01" in done.stdout
    after = {
        path: path.read_bytes() for path in sorted(computed.folder.rglob("*")) if path.is_file()
    }
    assert after.keys() == before.keys()
    assert [path for path, content in after.items() if content != before[path]] == []


def test_before_it_they_are_found(computed: Computed) -> None:
    """Guards against a search that finds nothing whatever there is."""
    found = find_words(computed.folder, computed.words)
    for place in ("warehouse.duckdb", "warehouse.published.duckdb", "warehouse.raw/raw_users"):
        assert any(place in one for one in found), place
    assert any("dagster_home" in one for one in found)
    assert any("warehouse.raw/quarantine" in one for one in found)


def test_no_byte_below_the_folder_tells_of_the_forgotten(
    computed: Computed, forgotten: tuple[Path, Finished]
) -> None:
    folder, done = forgotten
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert find_words(folder, computed.words) == []


def test_the_tables_are_those_of_a_warehouse_that_never_knew_them(
    forgotten: tuple[Path, Finished], expected: Path
) -> None:
    assert_same_tables(forgotten[0], expected)


def test_others_stay_and_the_record_tells_by_hash(
    computed: Computed, forgotten: tuple[Path, Finished]
) -> None:
    folder, _ = forgotten
    before, after = tables_of(computed.folder), tables_of(folder)
    for name, column in (("core.dim_user", "user_id"), ("core.user_daily_activity", "user_id")):
        others = before[name].filter(~pl.col(column).is_in(FORGOTTEN))
        assert others.height > 0
        assert after[name].equals(others)
    kept = [
        json.loads(line) for line in (folder / "warehouse.erasures.jsonl").read_text().splitlines()
    ]
    [record] = kept
    assert record["asked_by"] == "the data protection officer"
    assert len(record["user_hashes"]) == len(FORGOTTEN)
    assert record["counts"]["core.dim_user"] >= 2
    assert not (folder / "warehouse.forget.json").exists()
    ledger = after["raw.drops"]
    assert ledger["rows_erased"].sum() > 0
    conserved = pl.col("rows_accepted") + pl.col("rows_rejected") + pl.col("rows_erased")
    assert ledger.filter(pl.col("rows_read") != conserved).is_empty()


def test_no_drop_is_parsed_again_and_a_day_run_again_keeps_them_out(
    computed: Computed, forgotten: tuple[Path, Finished], expected: Path
) -> None:
    folder, done = forgotten
    assert "raw.raw_users  " not in done.stdout
    assert "arrived" not in done.stdout
    ran = run_harvey(
        folder, "run", "--all", "--from", "2024-04-02", "--to", "2024-04-03", **in_folder(folder)
    )
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    assert find_words(folder, computed.words) == []
    assert_same_tables(folder, expected)


def test_unknown_ids_alone_change_nothing(forgotten: tuple[Path, Finished]) -> None:
    folder, _ = forgotten
    lines = (folder / "warehouse.erased.jsonl").read_bytes()
    done = forget(folder, "nobody-known", "user-0")
    assert done.returncode == 2
    assert "no user of these ids is known" in done.stderr
    assert (folder / "warehouse.erased.jsonl").read_bytes() == lines
    named = forget(folder)
    assert named.returncode == 2
    assert "nobody is named" in named.stderr


KILLED_AT: Final = (
    "rewriting the files of raw.raw_events",
    "deleting rows of tables",
    "rewriting the warehouse's file",
    "publishing a fresh copy",
    "replacing their traces",
)


def test_killed_again_and_again_it_is_finished_by_the_next_command(
    landing: Path, computed: Computed, expected: Path
) -> None:
    """Kills come at the beginning of each step, or a moment after."""
    choose = random.Random(14)
    folder = landing / "killed"
    shutil.copytree(computed.folder, folder)
    # The same salt, so that the tombstones are the same.
    shutil.copy(expected / "warehouse.erased.jsonl", folder)
    arguments = [*FORGOTTEN, "--no-run"]
    for step in KILLED_AT:
        with subprocess.Popen(
            [*HARVEY, "forget", *arguments],
            cwd=folder,
            env=environment() | in_folder(folder) | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert any(step in line for line in process.stdout), f"never came to {step}"
            time.sleep(choose.choice([0.0, 0.02, 0.1]))
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert (folder / "warehouse.forget.json").exists()
        arguments = ["--no-run"]
    ran = run_harvey(folder, "run", **in_folder(folder))
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    assert "Finishing the erasure of 3 people" in ran.stderr
    assert not (folder / "warehouse.forget.json").exists()
    assert len((folder / "warehouse.erasures.jsonl").read_text().splitlines()) == 1
    assert find_words(folder, computed.words) == []
    assert_same_tables(folder, expected)
