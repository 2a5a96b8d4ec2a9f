"""Folders in which `harvey` works as a process, to be disturbed and then compared."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from harvey_pipeline.engagement.sample import SampleSpec, write_sample
from harvey_pipeline.warehouse.publishing import UNPUBLISHED_SCHEMAS
from harvey_pipeline.warehouse.warehouse import published_path
from harvey_pipeline_tests.cli.commands import HARVEY, Finished, environment
from harvey_pipeline_tests.faults import at_point
from harvey_pipeline_tests.pipelines import KEYS, TABLES, Pipeline, Rows, assert_same_tables

FIRST: Final = date(2024, 4, 29)
LAST: Final = date(2024, 5, 2)
"""The days of a small landing folder: two on either side of a month's end."""

WITHIN_SECONDS: Final = 240
"""Nothing here takes nearly as long."""

PUBLISHED: Final = tuple(
    name for name in KEYS if name.split(".", maxsplit=1)[0] not in UNPUBLISHED_SCHEMAS
)


@dataclass(frozen=True)
class Station:
    """A folder with a landing folder, a warehouse in `data`, and Dagster's folder beside it."""

    root: Path
    first: date = FIRST

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def warehouse(self) -> Path:
        return self.root / "data" / "warehouse.duckdb"

    @property
    def raw(self) -> Path:
        return self.root / "data" / "warehouse.raw"

    @property
    def published(self) -> Path:
        return published_path(self.warehouse)

    @property
    def settings(self) -> dict[str, str]:
        return {"HARVEY_LANDING_DIR": "landing", "HARVEY_START_DATE": str(self.first)}

    @property
    def pipeline(self) -> Pipeline:
        return Pipeline(self.landing, self.warehouse.parent, self.first)

    def start(
        self,
        *arguments: str,
        command: Sequence[str] = HARVEY,
        settings: dict[str, str] | None = None,
        **options: Any,
    ) -> subprocess.Popen[str]:
        """`harvey` at work; `options` are those of `Popen`."""
        return subprocess.Popen(
            [*command, *arguments],
            cwd=self.root,
            env=environment() | self.settings | (settings or {}),
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | options,
        )

    def run(self, *arguments: str, **options: Any) -> Finished:
        """What came of `harvey run`, all that it printed being in `stdout`."""
        return finish(self.start("run", *arguments, **options))

    def run_well(self, **options: Any) -> float:
        """`harvey run`, which must succeed; its seconds."""
        started = time.monotonic()
        finished = self.run(**options)
        assert finished.returncode == 0, finished.stdout
        return time.monotonic() - started

    def run_and_kill(self, seconds: float) -> bool:
        """`harvey run`, killed after so many seconds; False if it was over before."""
        process = self.start("run")
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
        process.communicate()
        assert process.returncode in (0, -9)
        return process.returncode != 0

    def stop(self, point: str, settings: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """`harvey run`, stopped at a point until it is sent `SIGCONT`."""
        process = self.start(
            "run", command=at_point.command(point, 1, signal.SIGSTOP), settings=settings
        )
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), process.communicate()[0]
        return process

    def tables(self) -> dict[str, Rows]:
        return self.pipeline.tables()

    def is_anything_due(self, last: date = LAST) -> bool:
        return bool(list(self.pipeline.find_due(self.first, last)))

    def published_rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of every published table, in an order of their own."""
        with duckdb.connect(str(self.published), read_only=True) as connection:
            return {name: _rows(connection, name) for name in PUBLISHED}


def go_on(process: subprocess.Popen[str]) -> Finished:
    """What came of a process that was stopped."""
    process.send_signal(signal.SIGCONT)
    return finish(process)


def finish(process: subprocess.Popen[str], within_seconds: float = WITHIN_SECONDS) -> Finished:
    """What came of a process."""
    try:
        output, _ = process.communicate(timeout=within_seconds)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, output, "")


def _rows(connection: duckdb.DuckDBPyConnection, name: str) -> list[tuple[Any, ...]]:
    listed = ", ".join(f'"{column}"' for column in TABLES[name].polars_schema)
    return connection.execute(f"select {listed} from {name} order by all").fetchall()


def deliver(root: Path, first: date = FIRST, last: date = LAST, **sizes: Any) -> Station:
    """A folder with the drops of some days, not yet run."""
    sizes = {"users": 20, "firms": 5, "events_per_day": 20, "dirty": 0.05} | sizes
    spec = SampleSpec(days=(last - first + timedelta(days=1)).days, start=first, **sizes)
    write_sample(root / "landing", spec)
    return Station(root, first)


def assert_as_undisturbed(disturbed: Station, expected: dict[str, Rows], last: date = LAST) -> None:
    """Nothing is due, and tables and published copy hold what one undisturbed run gives."""
    assert not disturbed.is_anything_due(last)
    assert_same_tables(disturbed.tables(), expected)
    with duckdb.connect(str(disturbed.warehouse), read_only=True) as connection:
        assert disturbed.published_rows() == {name: _rows(connection, name) for name in PUBLISHED}
