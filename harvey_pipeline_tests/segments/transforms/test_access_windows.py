"""Numbers of keys, and windows that keep their values while the next one is made."""

from datetime import date

import polars as pl
import pytest

from harvey_pipeline.segments.transforms.access_windows import (
    Names,
    Numbering,
    trailing_windows,
)
from harvey_pipeline_tests.segments.transforms.accesses import ACCESS, DAY, access, days_from


@pytest.mark.parametrize(
    ("known", "first", "second"),
    [(["b", "a", "b"], ["c", "a", "c", "d"], ["d", "b"]), ([2, 1, 2], [3, 1, 3, 4], [4, 2])],
)
def test_a_key_keeps_its_number(
    known: list[object], first: list[object], second: list[object]
) -> None:
    numbering = Numbering(pl.Series(known))
    assert len(numbering) == 2
    assert numbering.number(pl.Series(first)).to_list() == [2, 1, 2, 3]
    assert numbering.number(pl.Series(second)).to_list() == [3, 0]
    assert numbering.keys.to_list() == [known[0], known[1], first[0], first[3]]


def test_numbers_from_none() -> None:
    numbering = Numbering(pl.Series(dtype=pl.String))
    assert numbering.number(pl.Series([], dtype=pl.String)).to_list() == []
    assert numbering.number(pl.Series(["x", "x"])).to_list() == [0, 0]


def test_windows_keep_their_values() -> None:
    """Taken together after the last of them was made: no later day writes into an earlier one."""
    nobody = pl.Series(dtype=pl.String)
    names = Names(Numbering(nobody), Numbering(nobody), Numbering(pl.Series(["x"])))
    rows = [access(-ago, ago + 1) for ago in range(3)]
    days = days_from(DAY, 3)
    windows = list(trailing_windows(pl.LazyFrame(rows, schema=ACCESS), days, names))
    found = [window.users.row(0, named=True) for window in windows]
    assert [window.day for window in windows] == days
    assert [row["accesses_1"] for row in found] == [1, 3, 6]
    assert [row["dates_1"] for row in found] == [0b1, 0b11, 0b111]
    assert [row["busiest_day_accesses"] for row in found] == [1, 2, 3]
    assert {row["first_day"] for row in found} == {(DAY - date(1970, 1, 1)).days}
    assert [window.offered.to_list() for window in windows] == [[1]] * 3
