"""A person's traces in Dagster's folder: previews, failing examples, messages, logs.

What is recorded of runs stays; in it, lines that tell of the person are replaced. Files of SQLite
are rewritten afterwards, so that nothing stands in their free pages and logs.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from harvey_pipeline.privacy.wording import Traces

_SQLITE: Final = b"SQLite format 3\0"
_BUSY_SECONDS: Final = 60
_ROWS_AT_A_TIME: Final = 1_000
_SIDE_FILES: Final = ("-wal", "-shm", "-journal")


def count_in_home(home: Path, traces: Traces) -> int:
    """How many recorded events, or other rows and files, tell of some people."""
    count = 0
    for path in _files(home):
        if _is_sqlite(path):
            with closing(_connect(path)) as connection:
                count += sum(1 for _ in _telling_rows(connection, traces))
        else:
            count += traces.are_in_file(path)
    return count


def erase_from_home(home: Path, traces: Traces) -> int:
    """Replace what tells of some people; return in how many rows and files it did.

    May be repeated after a kill at any moment.

    Raises:
        sqlite3.OperationalError: Another process keeps a file locked.
    """
    count = 0
    for path in _files(home):
        if _is_sqlite(path):
            count += _erase_from_database(path, traces)
        elif traces.are_in_file(path):
            text = path.read_bytes().decode("utf-8", "surrogateescape")
            path.write_bytes(traces.without_lines(text).encode("utf-8", "surrogateescape"))
            count += 1
    return count


def _files(home: Path) -> Iterator[Path]:
    if not home.is_dir():
        return
    for path in sorted(home.rglob("*")):
        if path.is_file() and not path.name.endswith(_SIDE_FILES):
            yield path


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    connection.execute("pragma secure_delete = on")
    return connection


def _erase_from_database(path: Path, traces: Traces) -> int:
    with closing(_connect(path)) as connection:
        found = list(_telling_rows(connection, traces))
        connection.execute("begin immediate")
        for table, row, columns in found:
            listed = ", ".join(f"{_name(column)} = ?" for column in columns)
            cleaned = [_cleaned(value, traces) for value in columns.values()]
            connection.execute(
                f"update {_name(table)} set {listed} where rowid = ?", [*cleaned, row]
            )
        connection.execute("commit")
        connection.execute("pragma wal_checkpoint(truncate)")
        # Also of what other commands have deleted before.
        if found or traces.may_be_in_file(path):
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
    return len(found)


def _telling_rows(
    connection: sqlite3.Connection, traces: Traces
) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Table, row and columns of all that tells of some people."""
    tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
    for (table,) in tables:
        names = [row[1] for row in connection.execute(f"pragma table_info({_name(table)})")]
        listed = ", ".join(map(_name, names))
        rows = connection.execute(f"select rowid, {listed} from {_name(table)}")
        while some := rows.fetchmany(_ROWS_AT_A_TIME):
            texts = [[_as_text(value) for value in row[1:]] for row in some]
            told = iter(traces.tell([text for row in texts for text in row]))
            for row in some:
                telling = {
                    name: value
                    for name, value in zip(names, row[1:], strict=True)
                    if next(told) and isinstance(value, str | bytes)
                }
                if telling:
                    yield table, row[0], telling


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def _cleaned(value: str | bytes, traces: Traces) -> str | bytes:
    """A value without what tells of some people; JSON stays JSON of the same form."""
    if isinstance(value, bytes):
        return traces.without_lines(value.decode("utf-8", "surrogateescape")).encode(
            "utf-8", "surrogateescape"
        )
    try:
        told = json.loads(value)
    except ValueError:
        return traces.without_lines(value)
    if not isinstance(told, dict | list):
        return traces.without_lines(value)
    return json.dumps(cleaned_json(told, traces))


def cleaned_json(told: Any, traces: Traces) -> Any:
    """Anything out of JSON, with the lines of its texts replaced that tell of some people.

    Numbers stay: they are counts, and ids are texts.
    """
    if isinstance(told, str):
        return traces.without_lines(told)
    if isinstance(told, list):
        return [cleaned_json(one, traces) for one in told]
    if isinstance(told, dict):
        return {traces.without_lines(name): cleaned_json(one, traces) for name, one in told.items()}
    return told


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
