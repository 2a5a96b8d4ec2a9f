"""Quotients that are those of an ordinary division, whatever the denominator."""

import polars as pl
import pytest

from harvey_pipeline.segments.transforms.quotients import divide_once


def quotients(numerators: list[int | None], denominator: pl.Expr) -> list[float | None]:
    rows = pl.DataFrame({"n": numerators, "d": range(len(numerators))})
    return rows.select(divide_once(pl.col("n"), denominator)).to_series().to_list()


@pytest.mark.parametrize("denominator", [35, 90, 100, 1_000_000])
def test_by_one_value_for_all_rows(denominator: int) -> None:
    numerators: list[int | None] = list(range(1000))
    expected = [number / denominator for number in range(1000)]
    assert quotients(numerators, pl.lit(denominator)) == expected


def test_by_a_column() -> None:
    assert quotients([5, 6, 7], pl.col("d")) == [None, 6.0, 3.5]


def test_null_where_nothing_is_to_be_divided() -> None:
    assert quotients([None, 0, 1], pl.lit(0)) == [None] * 3
    assert quotients([None, 0, 1], pl.lit(2)) == [None, 0.0, 0.5]
