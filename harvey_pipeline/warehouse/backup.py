"""Backups: a folder with all that a warehouse consists of, as of one commit, and the way back.

The warehouse's lock is held while its file is copied and the raw files that its ledger names get
second names, which a run that goes on cannot take away; everything else happens without it. A
backup is made under another name and takes its own once every file was read again. A restored
warehouse takes the place of another in one step, when all that it names stands beside it already.
"""

import fcntl
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

import duckdb

from harvey_pipeline.warehouse.archive import ARCHIVED
from harvey_pipeline.warehouse.commits import last_generation
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse, duckdb_types

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
"""How a backup is laid out; another number is another layout."""

_FILE: Final = "warehouse.duckdb"
_RAW: Final = "raw"
_QUARANTINE: Final = "quarantine"
_ARCHIVE: Final = "archive"
_BESIDE: Final = "beside"

_NOTHING: Final = "none.parquet"
"""The file without rows in each folder of raw files, for their view to have one."""

_UNFINISHED: Final = ".unfinished"
_LINES: Final = ".jsonl"
"""Ends the names of what is kept by line beside a warehouse: tombstones, records, tokens."""

_CHUNK_BYTES: Final = 1 << 20
_TOLD_BYTES: Final = 64 << 20
"""How much of a large file is copied between two words about it."""

_COPY: Final = f"""
import hashlib, os, sys
digest = hashlib.sha256()
with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as copy:
    while chunk := source.read({_CHUNK_BYTES}):
        digest.update(chunk)
        copy.write(chunk)
    copy.flush()
    os.fsync(copy.fileno())
print(digest.hexdigest())
"""

Tell = Callable[[str, int, int], None]
"""Takes what is being done, and how many of how many bytes are."""


class BackupError(Exception):
    """A backup that cannot be made or restored; the message says what to do."""


class RefusedError(BackupError):
    """A backup or a place that cannot be used as it is; nothing was changed."""


@dataclass(frozen=True)
class Entry:
    """A file of a backup: its path within, its bytes, their SHA-256, and the file's mode."""

    path: str
    bytes: int
    sha256: str
    mode: int = 0o644


@dataclass(frozen=True)
class Manifest:
    """What a backup holds, and of what it was taken.

    `warehouse` is its name, `generation` the last commit in it, `settings` what the pipeline was
    set to, `tables` the columns and types of every table by name, `schema` a digest of these,
    `rows` how many each has.
    """

    warehouse: str
    taken_at: str
    version: str
    duckdb_version: str
    generation: int
    settings: Mapping[str, str]
    tables: Mapping[str, Mapping[str, str]]
    schema: str
    rows: Mapping[str, int]
    files: tuple[Entry, ...]
    format: int = FORMAT

    @property
    def bytes(self) -> int:
        return sum(entry.bytes for entry in self.files)


# --- making one ----------------------------------------------------------------------------------


def take_backup(
    warehouse: Warehouse, raw: Path, out: Path, settings: Mapping[str, str], tell: Tell
) -> Manifest:
    """Make a backup of a warehouse and its raw folder in a folder that is not there yet.

    Runs may go on; they wait while the warehouse's file is copied. Killed at any moment it leaves
    a whole backup or none under that name.

    Raises:
        RefusedError: Something of the name is there, or another backup is being made.
        BackupError: What was written is not what was read, or a file that the ledger names is gone.
        WarehouseError: The warehouse stayed locked.
    """
    if out.exists():
        raise RefusedError(f"{out} is there already. Give another name by --out, or remove it.")
    unfinished = out.with_name(f"{out.name}{_UNFINISHED}")
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    names = warehouse.path.with_name(f"{warehouse.path.stem}.backup{_UNFINISHED}")
    with _owned(names), _owned(unfinished):
        entries = [_copy_warehouse(warehouse, raw, names, unfinished / _FILE, tell)]
        files = [*_files_below(names), *_files_beside(warehouse.path)]
        total = sum(path.stat().st_size for _, path in files)
        done = 0
        for place, path in files:
            entries.append(_copied(path, unfinished, place))
            done += entries[-1].bytes
            tell("copying raw files", done, total)
        shutil.rmtree(names)
        name = warehouse.path.stem
        manifest = _describe(name, unfinished / _FILE, settings, entries)
        verify_files(unfinished, manifest, tell)
        _write_whole(unfinished / MANIFEST, json.dumps(asdict(manifest), indent=1))
        _sync_folders(unfinished)
        unfinished.rename(out)
        _sync(out.parent)
    return manifest


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """A folder that is empty, nobody else's, and gone afterwards unless it has another name."""
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise RefusedError(
            f"{folder} is being written by another `harvey backup`. Wait for it, or stop it."
        ) from None
    try:
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _copy_warehouse(warehouse: Warehouse, raw: Path, names: Path, to: Path, tell: Tell) -> Entry:
    """Copy the warehouse's file, and give second names to what it names, as of one commit."""
    tell("waiting for the warehouse", 0, 0)
    with warehouse.connect() as connection:
        warehouse.prepare(connection, ())
        connection.execute("checkpoint")
        size = warehouse.path.stat().st_size
        tell("copying the warehouse", 0, size)
        named = [*_named_raw_files(connection, raw), *_named_archive(connection, warehouse.path)]
        for place, path in named:
            second = names / place
            second.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, second)
            except FileNotFoundError as error:
                raise BackupError(
                    f"{path} is gone, and the warehouse names it. Run `harvey run`, then back up."
                ) from error
            except OSError:
                # Where a file cannot have two names, runs wait a little longer.
                shutil.copyfile(path, second)
        digest = _copy_open_file(warehouse.path, to)
        tell("copying the warehouse", size, size)
    return Entry(_FILE, to.stat().st_size, digest)


def _copy_open_file(path: Path, to: Path) -> str:
    """Copy a file that this process has open, and return its digest.

    Another process does it: closing the file in this one would give up DuckDB's lock on it.
    """
    copying = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _COPY, str(path), str(to)],
        capture_output=True,
        text=True,
        check=False,
    )
    if copying.returncode:
        said = copying.stderr.strip().splitlines() or [f"exit code {copying.returncode}"]
        raise BackupError(f"{path} could not be copied: {said[-1]}.")
    return copying.stdout.strip()


def _named_raw_files(
    connection: duckdb.DuckDBPyConnection, raw: Path
) -> Iterator[tuple[PurePosixPath, Path]]:
    """The raw files that the ledger names, and what stands beside each: place and path."""
    try:
        rows = connection.execute(
            "select source, data_file from raw.drops where data_file is not null order by all"
        ).fetchall()
    except duckdb.CatalogException:
        return
    folders = dict.fromkeys(f"raw_{source}" for source, _ in rows)
    for folder in folders:
        if (raw / folder / _NOTHING).exists():
            yield PurePosixPath(_RAW, folder, _NOTHING), raw / folder / _NOTHING
    for source, name in rows:
        yield PurePosixPath(_RAW, f"raw_{source}", name), raw / f"raw_{source}" / name
        if (kept := raw / _QUARANTINE / name).exists():
            yield PurePosixPath(_RAW, _QUARANTINE, f"raw_{source}", name), kept


def _named_archive(
    connection: duckdb.DuckDBPyConnection, warehouse: Path
) -> Iterator[tuple[PurePosixPath, Path]]:
    """The files of archived months: place and path."""
    for table, file in _archived(connection):
        yield PurePosixPath(_ARCHIVE, table, file), _archive_of(warehouse) / table / file


def _archived(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    try:
        return connection.execute(
            f"select table_name, file from {ARCHIVED} order by all"
        ).fetchall()
    except duckdb.CatalogException:
        return []


def _archive_of(warehouse: Path) -> Path:
    return warehouse.with_name(f"{warehouse.stem}.archive")


def _files_below(folder: Path) -> list[tuple[PurePosixPath, Path]]:
    return [
        (PurePosixPath(path.relative_to(folder).as_posix()), path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def _files_beside(warehouse: Path) -> list[tuple[PurePosixPath, Path]]:
    return [
        (PurePosixPath(_BESIDE, path.name), path)
        for path in sorted(warehouse.parent.glob(f"*{_LINES}"))
        if path.is_file()
    ]


def _describe(
    name: str, file: Path, settings: Mapping[str, str], entries: Iterable[Entry]
) -> Manifest:
    """What is said of a copied warehouse."""
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = _columns_of(connection)
        return Manifest(
            warehouse=name,
            taken_at=datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds"),
            version=_version(),
            duckdb_version=duckdb.__version__,
            generation=last_generation(connection),
            settings=settings,
            tables=tables,
            schema=digest_schema(tables),
            rows=_rows_of(connection, tables),
            files=tuple(entries),
        )


def _columns_of(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Columns and types of every table by name."""
    rows = connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() "
        "join duckdb_tables() using (database_name, schema_name, table_name) "
        "where database_name = current_database() order by all"
    ).fetchall()
    tables: dict[str, dict[str, str]] = {}
    for name, column, kind in rows:
        tables.setdefault(name, {})[column] = kind
    return tables


def _rows_of(connection: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> dict[str, int]:
    counts = {}
    for name in tables:
        [(counts[name],)] = connection.execute(f"select count(*) from {name}").fetchall()
    return counts


def digest_schema(tables: Mapping[str, Mapping[str, str]]) -> str:
    """What tells the columns and types of some tables from others."""
    listed = sorted((name, sorted(columns.items())) for name, columns in tables.items())
    return hashlib.sha256(repr(listed).encode()).hexdigest()


def _version() -> str:
    try:
        return importlib.metadata.version("harvey_pipeline")
    except importlib.metadata.PackageNotFoundError:
        return "a checkout that is not installed"


# --- looking at one ------------------------------------------------------------------------------


def read_manifest(folder: Path) -> Manifest:
    """What a backup says of itself.

    Raises:
        RefusedError: The folder is no backup that this version reads.
    """
    try:
        told: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise RefusedError(
                f"{folder} is a backup of layout {told['format']}, and this version reads layout "
                f"{FORMAT}. Restore it by version {told['version']} of harvey_pipeline."
            )
        entries = tuple(Entry(**one) for one in told["files"])
        return Manifest(**{**told, "files": entries})
    except FileNotFoundError:
        raise RefusedError(
            f"{folder} is no backup: it holds no {MANIFEST}. Name the folder that `harvey backup` "
            f"has written."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"{folder / MANIFEST} cannot be read ({error}).") from error


def refuse_other_schema(manifest: Manifest, tables: Mapping[str, Table]) -> None:
    """Make sure that the tables of a backup have the columns that this version gives them.

    Raises:
        RefusedError: Some have others.
    """
    others = []
    for name, found in manifest.tables.items():
        wanted = duckdb_types(tables[name]) if name in tables else found
        if dict(found) != dict(wanted):
            columns = sorted({column for column, _ in set(found.items()) ^ set(wanted.items())})
            others.append(f"{name} ({', '.join(columns)})")
    if others:
        more = f" and {len(others) - 3} more tables" if len(others) > 3 else ""
        raise RefusedError(
            f"the backup of {manifest.taken_at} is of another schema version: "
            f"{'; '.join(others[:3])}{more} differ. Restore it by version {manifest.version} of "
            f"harvey_pipeline, or compute everything anew from the landing folder by `harvey run`."
        )


def verify_files(folder: Path, manifest: Manifest, tell: Tell) -> None:
    """Read every file of a backup, and make sure that it is what the manifest says.

    Raises:
        BackupError: One is not, or is gone.
    """
    done = 0
    for entry in manifest.files:
        tell("reading it again", done, manifest.bytes)
        _verify(folder / entry.path, entry)
        done += entry.bytes
    tell("reading it again", done, manifest.bytes)


def _verify(path: Path, entry: Entry) -> None:
    found = _digest(path) if path.is_file() else None
    if found != entry.sha256:
        state = "is gone" if found is None else "is not what was written"
        raise BackupError(
            f"{path} {state}. Look whether the disk is sound, and use another backup."
        )


# --- bringing one back ---------------------------------------------------------------------------


def restore_backup(
    folder: Path,
    manifest: Manifest,
    warehouse: Warehouse,
    raw: Path,
    prepare: Callable[[duckdb.DuckDBPyConnection], None],
    tell: Tell,
    *,
    is_replacing: bool = False,
    is_free: Callable[[], None] = lambda: None,
) -> None:
    """Bring a backup back, in the place of a warehouse if there is one.

    Raw files that are there stay until the restored warehouse is; a file of the same name that
    says something else is brought back under another one. What is kept by line beside a warehouse
    (tombstones, records of accesses and erasures, tokens) is newer there than in any backup, and
    stays; only what is missing is brought back. Killed at any moment it leaves the old warehouse
    or the restored one.

    Args:
        folder: The backup.
        manifest: What it says of itself.
        warehouse: Where it is to stand.
        raw: The folder of its raw files.
        prepare: Is given the restored warehouse before anybody can see it.
        tell: Is told how far it is.
        is_replacing: Whether a warehouse may be there.
        is_free: Raises where the warehouse that is there is at work; called while nobody can
            begin.

    Raises:
        RefusedError: A warehouse is there, or a table holds other rows than the manifest says.
        BackupError: A file of the backup is not what was written.
        WarehouseError: The warehouse stayed locked.
    """
    if warehouse.path.exists() and not is_replacing:
        raise RefusedError(
            f"{warehouse.path} is there already. Add --replace to put the backup in its place, or "
            f"restore to another place by --warehouse."
        )
    staged = warehouse.path.with_name(f"{warehouse.path.stem}.restored.next.duckdb")
    _remove(staged)
    raw.mkdir(parents=True, exist_ok=True)
    try:
        renamed = _bring_files(folder, manifest, warehouse.path, raw, staged, tell)
        with duckdb.connect(str(staged)) as connection:
            _rename(connection, renamed)
            if _rows_of(connection, manifest.rows) != dict(manifest.rows):
                raise RefusedError(
                    f"{folder / _FILE} holds other rows than {folder / MANIFEST} says. Use another "
                    f"backup."
                )
            prepare(connection)
        _sync(staged)
        tell("putting it in place", 0, 0)
        _take_place(staged, warehouse, is_free)
    except BaseException:
        _remove(staged)
        raise
    _remove_unnamed(warehouse, raw)


def _bring_files(
    folder: Path, manifest: Manifest, warehouse: Path, raw: Path, staged: Path, tell: Tell
) -> Mapping[str, str]:
    """Copy all files of a backup to their places, and the warehouse's beside its own.

    Returns:
        By place the other names of those whose names were taken.
    """
    targets = {
        entry: _target(entry, manifest, warehouse, raw)
        for entry in manifest.files
        if entry.path != _FILE
    }
    there = {entry: target for entry, target in targets.items() if target.exists()}
    same = {entry for entry, target in there.items() if _digest(target) == entry.sha256}
    # A day's rows and what was rejected of it share their name.
    other_names = {
        _kin(entry): f"{target.stem}.{entry.sha256[:8]}{target.suffix}"
        for entry, target in there.items()
        if entry not in same and _is_named(entry)
    }
    done = 0
    for entry in manifest.files:
        tell("copying", done, manifest.bytes)
        target = targets.get(entry, staged)
        if _is_named(entry) and _kin(entry) in other_names:
            _bring(folder / entry.path, target.with_name(other_names[_kin(entry)]), entry)
        elif entry.path == _FILE or entry not in there:
            _bring(folder / entry.path, target, entry)
        done += entry.bytes
    tell("copying", done, manifest.bytes)
    return {
        entry.path: other_names[_kin(entry)]
        for entry in targets
        if _is_named(entry) and _kin(entry) in other_names
    }


def _is_named(entry: Entry) -> bool:
    """Whether the warehouse names a file, and could name it otherwise."""
    kind, *rest = PurePosixPath(entry.path).parts
    return kind in (_RAW, _ARCHIVE) and rest[-1] != _NOTHING


def _kin(entry: Entry) -> tuple[str, ...]:
    """What files have in common that are called by one name."""
    kind, *rest = PurePosixPath(entry.path).parts
    return (kind, *(rest[1:] if rest[0] == _QUARANTINE else rest))


def _target(entry: Entry, manifest: Manifest, warehouse: Path, raw: Path) -> Path:
    """Where a file other than the warehouse's is to stand."""
    kind, *rest = PurePosixPath(entry.path).parts
    if kind == _BESIDE:
        return beside(warehouse, manifest, rest[-1])
    if kind == _ARCHIVE:
        return _archive_of(warehouse).joinpath(*rest)
    if rest[0] == _QUARANTINE:
        return raw / _QUARANTINE / rest[-1]
    return raw.joinpath(*rest)


def beside(warehouse: Path, manifest: Manifest, name: str) -> Path:
    """Where a file stands that stood beside the warehouse of a backup: it may have been renamed."""
    own = name.startswith(f"{manifest.warehouse}.")
    return warehouse.with_name(
        f"{warehouse.stem}{name.removeprefix(manifest.warehouse)}" if own else name
    )


def _bring(source: Path, target: Path, entry: Entry) -> None:
    """Copy a file so that it appears whole or not at all, and is what was written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}{_UNFINISHED}")
    if not source.is_file():
        _verify(source, entry)
    shutil.copyfile(source, unfinished)
    try:
        if _digest(unfinished) != entry.sha256:
            _verify(source, entry)
            raise BackupError(f"{target} could not be written. Look whether the disk is sound.")
        unfinished.chmod(entry.mode)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _rename(connection: duckdb.DuckDBPyConnection, renamed: Mapping[str, str]) -> None:
    """Let a warehouse name its files by the names under which they were brought back."""
    for place, other in renamed.items():
        kind, *rest = PurePosixPath(place).parts
        if kind == _ARCHIVE:
            connection.execute(
                f"update {ARCHIVED} set file = ? where table_name = ? and file = ?",
                [other, rest[0], rest[-1]],
            )
        elif rest[0] != _QUARANTINE:
            connection.execute(
                "update raw.drops set data_file = ? where source = ? and data_file = ?",
                [other, rest[0].removeprefix("raw_"), rest[-1]],
            )


def _take_place(staged: Path, warehouse: Warehouse, is_free: Callable[[], None]) -> None:
    if not warehouse.path.exists():
        is_free()
        # That of a file that is gone would be taken for this one's.
        warehouse.path.with_name(f"{warehouse.path.name}.wal").unlink(missing_ok=True)
        staged.rename(warehouse.path)
        _sync(warehouse.path.parent)
        return
    with warehouse.connect() as connection:
        is_free()
        # Nothing of the old file is left to be written when its name is another's.
        connection.execute("checkpoint")
        staged.replace(warehouse.path)
        _sync(warehouse.path.parent)


def _remove_unnamed(warehouse: Warehouse, raw: Path) -> None:
    """Remove the raw files that the warehouse does not name: one that is gone named them."""
    with warehouse.connect() as connection:
        named = {path for _, path in _named_raw_files(connection, raw)}
        for folder in (*raw.glob("raw_*"), raw / _QUARANTINE):
            for path in folder.glob("????-??-??-*.parquet"):
                if path not in named:
                    path.unlink(missing_ok=True)


# --- files ---------------------------------------------------------------------------------------


def _copied(path: Path, folder: Path, place: PurePosixPath) -> Entry:
    """Copy a file into a backup."""
    to = folder / place
    to.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as source, to.open("wb") as copy:
        mode = os.fstat(source.fileno()).st_mode & 0o777
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            copy.write(chunk)
            size += len(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    return Entry(str(place), size, digest.hexdigest(), mode)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_whole(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folders(folder: Path) -> None:
    for path in (folder, *(one for one in folder.rglob("*") if one.is_dir())):
        _sync(path)


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
