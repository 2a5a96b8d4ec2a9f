"""Backups: what is in them, what is refused, and what is there already when one is restored."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from harvey_pipeline.definitions import tables_of
from harvey_pipeline.landing.erased import TombstoneError, Tombstones, tombstones_path
from harvey_pipeline.warehouse.archive import archive_month, restore_month
from harvey_pipeline.warehouse.backup import (
    MANIFEST,
    BackupError,
    Manifest,
    RefusedError,
    read_manifest,
    refuse_other_schema,
    restore_backup,
    take_backup,
)
from harvey_pipeline.warehouse.warehouse import Warehouse
from harvey_pipeline_tests.test_subject import FIRST, Library
from harvey_pipeline_tests.tiny import CIRCULATION, LOANS, SUBJECT

ROWS = f"select * from {CIRCULATION} order by date"
APRIL = FIRST.replace(day=1)
TABLES = tables_of([SUBJECT])


def silent(_part: str, _done: int, _total: int) -> None:
    """Takes what a backup tells."""


@pytest.fixture
def library(template: Path, tmp_path: Path) -> Library:
    """Three days of April, run, in a folder beside which a backup has its place."""
    shutil.copytree(template, tmp_path / "library")
    return Library(tmp_path / "library")


@pytest.fixture
def backup(library: Library, tmp_path: Path) -> Path:
    taken(library, tmp_path / "backup")
    return tmp_path / "backup"


def taken(library: Library, out: Path) -> Manifest:
    settings = {"HARVEY_SUBJECTS": "tiny"}
    return take_backup(library.warehouse, library.root / "raw", out, settings, silent)


def restored(
    folder: Path, to: Library, *, is_replacing: bool = False, **hooks: Callable[..., None]
) -> None:
    manifest = read_manifest(folder)
    refuse_other_schema(manifest, TABLES)
    prepare = hooks.pop("prepare", lambda _: None)
    restore_backup(
        folder,
        manifest,
        to.warehouse,
        to.root / "raw",
        prepare,
        silent,
        is_replacing=is_replacing,
        **hooks,
    )


def ledger(library: Library) -> list[Any]:
    return library.rows("select source, drop_date, data_file from raw.drops order by all")


def test_a_manifest_says_what_there_is(library: Library, tmp_path: Path) -> None:
    (library.root / "access_log.jsonl").write_text('{"role": "it_hr"}\n')
    Tombstones.read(tombstones_path(library.warehouse.path)).add(["u1"], "test")
    manifest = taken(library, tmp_path / "backup")
    assert manifest == read_manifest(tmp_path / "backup")
    assert manifest.rows[CIRCULATION.name] == 3
    assert manifest.tables[CIRCULATION.name] == {
        "date": "DATE",
        "loans": "BIGINT",
        "stars": "BIGINT",
    }
    assert manifest.generation == library.warehouse.generation()
    assert manifest.settings == {"HARVEY_SUBJECTS": "tiny"}
    paths = {entry.path for entry in manifest.files}
    named = {f"raw/raw_{source}/{file}" for source, _, file in ledger(library) if file is not None}
    assert named
    assert named <= paths
    assert {"warehouse.duckdb", "beside/access_log.jsonl", "beside/warehouse.erased.jsonl"} <= paths
    modes = {entry.path: entry.mode for entry in manifest.files}
    assert modes["beside/warehouse.erased.jsonl"] == 0o600
    found = {
        path.relative_to(tmp_path / "backup").as_posix()
        for path in (tmp_path / "backup").rglob("*")
        if path.is_file()
    }
    assert found == {*paths, MANIFEST}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "library"]


def test_a_warehouse_is_what_it_was(library: Library, backup: Path, tmp_path: Path) -> None:
    elsewhere = Library(tmp_path / "elsewhere")
    restored(backup, elsewhere)
    assert elsewhere.rows(ROWS) == library.rows(ROWS)
    assert ledger(elsewhere) == ledger(library)
    for source, _, name in ledger(elsewhere):
        assert name is None or (elsewhere.root / "raw" / f"raw_{source}" / name).exists()


def test_names_that_are_taken_are_left(library: Library, backup: Path) -> None:
    with pytest.raises(RefusedError, match=r"is there already. Give another name by --out"):
        taken(library, backup)
    with pytest.raises(RefusedError, match=r"is there already. Add --replace"):
        restored(backup, library)


def test_a_file_that_is_gone_is_told(library: Library, tmp_path: Path) -> None:
    [path, *_] = sorted((library.root / "raw" / LOANS.table.own_name).glob("2024-*"))
    path.unlink()
    with pytest.raises(BackupError, match=r"is gone, and the warehouse names it. Run `harvey run`"):
        taken(library, tmp_path / "backup")
    assert [one.name for one in tmp_path.iterdir()] == ["library"]
    assert not list(library.root.glob("*.unfinished"))


@pytest.mark.parametrize("spoil", ["change", "remove"])
@pytest.mark.parametrize("kind", ["warehouse.duckdb", "raw"])
def test_a_backup_that_is_spoilt_changes_nothing(
    library: Library, backup: Path, kind: str, spoil: str
) -> None:
    before = library.rows(ROWS)
    path = backup / kind
    if path.is_dir():
        path = sorted(path.rglob("2024-*.parquet"))[-1]
        # It is there already as it should be, and is not read from the backup.
        (library.root / "raw" / path.relative_to(backup / "raw")).unlink()
    if spoil == "change":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    state = "is gone" if spoil == "remove" else "is not what was written"
    with pytest.raises(BackupError, match=state):
        restored(backup, library, is_replacing=True)
    assert library.rows(ROWS) == before
    assert not list(library.root.rglob("*.next*"))


def test_other_folders_and_layouts_are_refused(backup: Path, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"is no backup: it holds no manifest.json"):
        read_manifest(tmp_path)
    told = json.loads((backup / MANIFEST).read_text())
    (backup / MANIFEST).write_text(json.dumps({**told, "format": 2}))
    with pytest.raises(RefusedError, match="a backup of layout 2, and this version reads layout 1"):
        read_manifest(backup)
    (backup / MANIFEST).write_text("{")
    with pytest.raises(RefusedError, match="cannot be read"):
        read_manifest(backup)


def test_another_schema_version_is_refused_and_it_is_said_what_to_do(backup: Path) -> None:
    manifest = read_manifest(backup)
    columns = {**manifest.tables[CIRCULATION.name], "stars": "DOUBLE", "pages": "BIGINT"}
    other = replace(manifest, tables={**manifest.tables, CIRCULATION.name: columns}, version="9.9")
    with pytest.raises(RefusedError) as refused:
        refuse_other_schema(other, TABLES)
    assert "another schema version: library.circulation (pages, stars) differ" in str(refused.value)
    assert "Restore it by version 9.9 of harvey_pipeline" in str(refused.value)
    assert "`harvey run`" in str(refused.value)


def test_a_warehouse_at_work_is_not_replaced(library: Library, backup: Path) -> None:
    before = library.rows(ROWS)
    library.warehouse.query("create table later as select 1 as number")

    def is_at_work() -> None:
        raise RefusedError("run 1 goes on")

    with pytest.raises(RefusedError, match="goes on"):
        restored(backup, library, is_replacing=True, is_free=is_at_work)
    assert library.rows("select number from later") == [(1,)]
    assert library.rows(ROWS) == before
    restored(backup, library, is_replacing=True)
    with pytest.raises(duckdb.CatalogException):
        library.rows("select number from later")


def test_a_raw_file_that_says_something_else_is_brought_back_beside_it(
    library: Library, backup: Path
) -> None:
    """The warehouse that is there may need its own until it is replaced."""
    [(_, _, name)] = [row for row in ledger(library) if row[0] == LOANS.name and row[1] == FIRST]
    path = library.root / "raw" / LOANS.table.own_name / name
    whole = pl.read_parquet(path)
    whole.head(0).write_parquet(path)

    def is_still_there() -> None:
        assert pl.read_parquet(path).height == 0

    restored(backup, library, is_replacing=True, is_free=is_still_there)
    [(_, _, other)] = [row for row in ledger(library) if row[0] == LOANS.name and row[1] == FIRST]
    assert other != name
    assert pl.read_parquet(path.with_name(other)).equals(whole)
    # Nothing names the old one any more.
    assert not path.exists()


def test_archived_months_are_in_it(library: Library, tmp_path: Path) -> None:
    before = library.rows(ROWS)
    archive_month(library.warehouse, [CIRCULATION], APRIL)
    taken(library, tmp_path / "backup")
    file = library.root / "warehouse.archive" / CIRCULATION.name / "2024-04.parquet"
    pl.read_parquet(file).head(1).write_parquet(file)
    restored(tmp_path / "backup", library, is_replacing=True)
    assert restore_month(library.warehouse, [CIRCULATION], APRIL) == 3
    assert library.rows(ROWS) == before


def test_what_is_kept_by_line_is_newer_where_it_is(library: Library, tmp_path: Path) -> None:
    log, tokens = library.root / "access_log.jsonl", library.root / "warehouse.tokens.jsonl"
    log.write_text("1\n")
    tokens.write_text("a\n")
    taken(library, tmp_path / "backup")
    log.write_text("1\n2\n")
    tokens.unlink()
    restored(tmp_path / "backup", library, is_replacing=True)
    assert log.read_text() == "1\n2\n"
    assert tokens.read_text() == "a\n"
    # Beside a warehouse of another name they have its name.
    other = Library(tmp_path / "other")
    other.warehouse = Warehouse(database=str(other.root / "another.duckdb"))
    restored(tmp_path / "backup", other)
    assert (other.root / "another.tokens.jsonl").read_text() == "a\n"
    assert (other.root / "access_log.jsonl").exists()


def test_what_prepares_a_warehouse_fails_before_it_is_in_place(
    library: Library, backup: Path, tmp_path: Path
) -> None:
    elsewhere = Library(tmp_path / "elsewhere")

    def fail(connection: duckdb.DuckDBPyConnection) -> None:
        assert connection.execute(ROWS).fetchall() == library.rows(ROWS)
        raise TombstoneError("no")

    with pytest.raises(TombstoneError):
        restored(backup, elsewhere, prepare=fail)
    assert not elsewhere.warehouse.path.exists()


def test_tombstones_of_one_warehouse_are_put_together(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine.jsonl", tmp_path / "other.jsonl"
    Tombstones.read(mine).add(["u1"], "test")
    shutil.copy(mine, other)
    Tombstones.read(mine).add(["u2"], "test")
    Tombstones.read(other).add(["u3"], "test")
    found = Tombstones.read(mine).adopt(Tombstones.read(other))
    assert found == Tombstones.read(mine)
    assert found.are_erased(pl.Series(["u1", "u2", "u3", "u4"])).to_list() == [True] * 3 + [False]
    assert Tombstones.read(mine).adopt(Tombstones.read(other)) == found
    fresh = Tombstones.read(tmp_path / "fresh.jsonl").adopt(Tombstones.read(other))
    assert fresh.are_erased(pl.Series(["u1", "u3"])).all()
    stranger = Tombstones.read(tmp_path / "stranger.jsonl").add(["u9"], "test")
    with pytest.raises(TombstoneError, match="are of two warehouses"):
        found.adopt(stranger)
