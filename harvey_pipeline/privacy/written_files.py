"""Files that commands have written beside the warehouse: reports, exports, accounts, tokens.

What shows a person is removed where a command writes it again, and is cut out of what is kept line
by line. Nothing else in the folder is touched; what in it still tells of the person is named.
"""

import json
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from harvey_pipeline.access.kept import locked
from harvey_pipeline.privacy.dagster_home import cleaned_json
from harvey_pipeline.privacy.wording import Traces

_WRITTEN_BY_LINE: Final = ".jsonl"
_OF_A_TOKEN: Final = "sha256"
_WRITTEN: Final = ("insights-*", "segments-*")
"""What commands write into a folder of reports, each a file or a folder."""

_DUCKDB: Final = (".duckdb", ".duckdb.wal")


@dataclass(frozen=True)
class WrittenFiles:
    """Where commands write: beside the warehouse, and in other folders that are named."""

    warehouse: Path
    reports: tuple[Path, ...] = (Path("reports"),)

    def telling(self, traces: Traces) -> list[Path]:
        """The reports, exports and files by line that tell of some people."""
        found = [one for one in self._removable() if _tells(one, traces)]
        return found + [one for one in self._by_line() if traces.are_in_file(one)]

    def erase(self, traces: Traces) -> list[Path]:
        """Remove or clean what tells of some people; return what that was."""
        found = self.telling(traces)
        for path in found:
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix == _WRITTEN_BY_LINE:
                _clean_lines(path, traces)
            else:
                path.unlink(missing_ok=True)
        return found

    def left(self, traces: Traces) -> list[Path]:
        """Files beside the warehouse, whoever wrote them, that still tell of some people.

        The database files, which are rewritten, and the raw layer's are not looked into.
        """
        beside = self.warehouse.parent
        files = [one for one in sorted(beside.iterdir()) if one.is_file()]
        own = [one for one in files if one.name.startswith(f"{self.warehouse.stem}.")]
        databases = [one for one in own if one.name.endswith(_DUCKDB)]
        return [one for one in files if one not in databases and _file_tells(one, traces)]

    def _removable(self) -> Iterator[Path]:
        """Each report or export: a folder, or a file, in a folder of such."""
        beside = self.warehouse.parent
        for folder in sorted(beside.glob(f"{_escaped(self.warehouse.stem)}.*")):
            if folder.is_dir() and folder.suffix not in (".raw", ".archive"):
                yield from sorted(folder.iterdir())
        for folder in (*self.reports, beside / "reports"):
            if folder.is_dir():
                yield from sorted(path for names in _WRITTEN for path in folder.glob(names))

    def _by_line(self) -> Iterator[Path]:
        yield from sorted(self.warehouse.parent.glob(f"*{_WRITTEN_BY_LINE}"))


def _clean_lines(path: Path, traces: Traces) -> None:
    """Take people out of a file by line; a token of theirs goes with its line."""
    with locked(path):
        lines = [
            cleaned
            for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
            if (cleaned := _cleaned_line(line, traces)) is not None
        ]
        unfinished = path.with_name(f"{path.name}.next")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(stat.S_IMODE(path.stat().st_mode))
        unfinished.write_text(
            "".join(f"{line}\n" for line in lines), encoding="utf-8", errors="surrogateescape"
        )
        unfinished.replace(path)


def _cleaned_line(line: str, traces: Traces) -> str | None:
    """A line without some people; None if it is to go."""
    if not traces.are_in(line):
        return line
    try:
        told: Any = json.loads(line)
    except ValueError:
        return None
    if isinstance(told, dict) and _OF_A_TOKEN in told:
        return None if told.get("user") in traces.persons else line
    return json.dumps(cleaned_json(told, traces), ensure_ascii=False)


def _tells(path: Path, traces: Traces) -> bool:
    """Whether a report or export shows somebody, be it by its name."""
    if traces.are_in(path.name):
        return True
    if path.is_dir():
        return any(_file_tells(one, traces) for one in sorted(path.rglob("*")) if one.is_file())
    return _file_tells(path, traces)


def _file_tells(path: Path, traces: Traces) -> bool:
    if path.suffix != ".parquet":
        return traces.are_in_file(path)
    try:
        rows = pl.read_parquet(path, glob=False)
    except pl.exceptions.PolarsError:
        return traces.are_in_file(path)
    texts = rows.select(pl.col(pl.String), pl.col(pl.List(pl.String)).list.join("\n"))
    return any(
        any(traces.tell(column.drop_nulls().unique().to_list())) for column in texts.get_columns()
    )


def _escaped(text: str) -> str:
    return "".join(f"[{one}]" if one in "*?[" else one for one in text)
