"""Drops that change, grow or are gone while `harvey run` is at work on them."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from harvey_pipeline_tests.cli.commands import Finished
from harvey_pipeline_tests.faults.conftest import Undisturbed
from harvey_pipeline_tests.faults.stations import LAST, Station, assert_as_undisturbed, go_on

DROP: Final = f"events/{LAST}.csv"


def assert_told_once(finished: Finished, *parts: str) -> None:
    """It failed because of a file, and one line says why and what to do."""
    assert finished.returncode == 2, finished.stdout
    told = [line for line in finished.stdout.splitlines() if all(part in line for part in parts)]
    assert len(told) == 1, finished.stdout
    assert "Traceback" not in finished.stdout


def replace_at_once(path: Path, content: bytes) -> None:
    new = path.with_name("new")
    new.write_bytes(content)
    new.replace(path)


@pytest.mark.long
@pytest.mark.parametrize(
    ("point", "replace"),
    [("drop_about_to_be_read", replace_at_once), ("drop_read", Path.write_bytes)],
    ids=["whole", "in_place"],
)
def test_a_drop_that_is_replaced_while_it_is_read(
    point: str,
    replace: Callable[[Path, bytes], object],
    station: Station,
    undisturbed: Undisturbed,
) -> None:
    """Nothing is made of two contents.

    Several small drops, which are read together, are then read once more one by one; a drop by
    itself fails and says why.
    """
    drops = {path: path.read_bytes() for path in station.landing.glob(f"*/{LAST}.csv")}
    for path, content in drops.items():
        path.write_bytes(content[: content.index(b"\n", len(content) // 2) + 1])
    # All sources are read at once, and any of them may be the one that has come to the point.
    run = station.stop(point)
    for path, content in drops.items():
        replace(path, content)
    finished = go_on(run)
    assert finished.returncode == 0, finished.stdout
    assert_as_undisturbed(station, undisturbed.tables)

    drop = station.landing / DROP
    drop.write_bytes(drops[drop][: drops[drop].rindex(b"\n", 0, -1) + 1])
    run = station.stop(point)
    replace(drop, drops[drop])
    assert_told_once(go_on(run), f"{DROP} changed while it was read. Run again")
    station.run_well()
    assert_as_undisturbed(station, undisturbed.tables)


@pytest.mark.long
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
def test_half_a_drop_that_is_completed(
    is_packed: bool, station: Station, undisturbed: Undisturbed
) -> None:
    """Half a plain file is one with fewer lines; half a gzip file is none."""
    path = station.landing / DROP
    content = path.read_bytes()
    if is_packed:
        path.unlink()
        path, content = path.with_name(f"{path.name}.gz"), gzip.compress(content)
    path.write_bytes(content[: 2 * len(content) // 3])
    finished = station.run()
    if is_packed:
        assert_told_once(finished, f"events/{LAST}.csv.gz", "Deliver it again")
    else:
        assert f"few_rows_are_rejected: 3 days, last {LAST}. {DROP}" in finished.stdout
        rows = station.pipeline.warehouse.query(
            "select rows_read from raw.drops where source = 'events' and drop_date = ?", [LAST]
        )
        whole = undisturbed.station.pipeline.warehouse.query(
            "select rows_read from raw.drops where source = 'events' and drop_date = ?", [LAST]
        )
        assert rows < whole
    with path.open("ab") as file:
        file.write(content[2 * len(content) // 3 :])
    station.run_well()
    if is_packed:
        # The ledger and the quarantine name the file.
        replace_at_once(station.landing / DROP, gzip.decompress(content))
        path.unlink()
        station.run_well()
    assert_as_undisturbed(station, undisturbed.tables)


@pytest.mark.long
def test_a_landing_folder_that_is_gone_and_back(station: Station, undisturbed: Undisturbed) -> None:
    elsewhere = station.root / "elsewhere"

    # In the middle of a run.
    run = station.stop("drop_about_to_be_read")
    station.landing.rename(elsewhere)
    assert_told_once(go_on(run), "landing folder landing does not exist", "Create it, or")
    assert station.run().stdout.startswith("harvey: landing folder ")
    elsewhere.rename(station.landing)
    station.run_well()
    assert_as_undisturbed(station, undisturbed.tables)

    # Gone, and then empty as the place is where something is mounted: what was computed stays.
    station.landing.rename(elsewhere)
    for is_there in (False, True):
        if is_there:
            station.landing.mkdir()
        finished = station.run()
        assert finished.returncode == 2
        [told] = finished.stdout.splitlines()
        assert told.startswith("harvey: ")
        assert "HARVEY_LANDING_DIR or --landing-dir" in told
    station.landing.rmdir()
    elsewhere.rename(station.landing)
    assert "Nothing is due" in station.run().stdout
    assert_as_undisturbed(station, undisturbed.tables)
