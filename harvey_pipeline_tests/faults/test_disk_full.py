"""The disk is full: one message says so, and once there is room the next run mends everything.

A small file system in memory is mounted where a part of the pipeline writes.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from harvey_pipeline_tests.cli.commands import Finished
from harvey_pipeline_tests.faults.conftest import Undisturbed
from harvey_pipeline_tests.faults.stations import Station, assert_as_undisturbed

PLENTY: Final = "200m"


def mount(folder: Path, *options: str) -> None:
    """Mount a file system in memory on a folder; the test is skipped where that is forbidden."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A folder with room for so many bytes."""
    mount(folder, f"size={size}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def assert_says_that_the_disk_is_full(finished: Finished) -> None:
    assert finished.returncode == 1, finished.stdout
    [told] = [line for line in finished.stdout.splitlines() if "no room is left" in line]
    assert told.endswith("Make some, then run again: what was done is kept.")
    assert "Traceback" not in finished.stdout
    assert "--debug" not in finished.stdout


def size_of(path: Path) -> int:
    return (
        sum(one.stat().st_size for one in path.rglob("*"))
        if path.is_dir()
        else (path.stat().st_size)
    )


@pytest.mark.long
@pytest.mark.parametrize("where", ["ingestion", "mart", "publishing"])
def test_a_full_disk(where: str, station: Station, undisturbed: Undisturbed) -> None:
    """Dagster's own folder lies elsewhere, so that it is the pipeline that meets the end."""
    warehouse, raw = (
        size_of(one) for one in (undisturbed.station.warehouse, undisturbed.station.raw)
    )
    folder, size = {
        "ingestion": (station.raw, raw // 2),
        "mart": (station.warehouse.parent, raw + warehouse // 2),
        "publishing": (station.warehouse.parent, 2 * raw + warehouse + warehouse // 2),
    }[where]
    home = {"DAGSTER_HOME": str(station.root / "home")}
    with small_disk(folder, size):
        finished = station.run(settings=home)
        assert_says_that_the_disk_is_full(finished)
        if where == "ingestion":
            # Which of them comes to the end of the disk depends on which is loaded first.
            assert re.search(r"raw\.raw_\w+(, raw\.raw_\w+)*: no room", finished.stdout)
        if where == "publishing":
            assert "could not be copied for its readers" in finished.stdout
            assert not list(folder.glob("*.next.duckdb"))
        mount(folder, "remount", f"size={PLENTY}")
        station.run_well(settings=home)
        assert_as_undisturbed(station, undisturbed.tables)
