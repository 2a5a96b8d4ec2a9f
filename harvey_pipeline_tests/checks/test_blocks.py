"""Whole days at a time."""

from datetime import timedelta

import dataframely as dy
import duckdb
import polars as pl
import pytest

from harvey_pipeline.checks import blocks
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.days import blocks_of_rows
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline_tests.places import FIRST


class Numbered(dy.Schema):
    """Numbers of days."""

    date = c.day("Day.")
    number = c.count("A number.")
    doubled = c.count("Twice the number.")


def test_blocks_hold_whole_days_and_lose_none() -> None:
    days = [FIRST + timedelta(days=offset) for offset in range(5)]
    rows = dict(zip(days, (3, 4, 9, 0, 2), strict=True))
    assert list(blocks_of_rows(days, rows, 8)) == [days[:2], days[2:3], days[3:]]
    assert list(blocks_of_rows([], rows, 8)) == []


@pytest.mark.parametrize(
    ("block_bytes", "heights"),
    [
        # Rows of 16 bytes, two numbers each.
        pytest.param(16 * 6, [6, 3], id="two days, which fill a block, and one"),
        pytest.param(16 * 6 - 1, [3, 3, 3], id="a byte less"),
        pytest.param(0, [3, 3, 3], id="a day is never cut"),
        pytest.param(16 * 9, [9], id="all"),
    ],
)
def test_as_many_days_are_read_at_a_time_as_fit_by_their_bytes(
    block_bytes: int, heights: list[int]
) -> None:
    table = Table("tests.numbered", Numbered, day_column="date", key_columns=("number",))
    days = [FIRST + timedelta(days=offset) for offset in range(3)]
    with pytest.MonkeyPatch.context() as patch, duckdb.connect() as connection:
        patch.setattr(blocks, "BLOCK_BYTES", block_bytes)
        connection.execute("create schema tests")
        connection.execute(
            f"create table {table} as select date '{FIRST}' + (range // 3)::integer as date, "
            "range as number, 2 * range as doubled from range(12)"
        )
        read = list(blocks.read_blocks(connection, table, days, ["number", "doubled"]))
    assert [block.height for block in read] == heights
    together = pl.concat(read).sort("number")
    assert together["number"].to_list() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert together["doubled"].to_list() == [0, 2, 4, 6, 8, 10, 12, 14, 16]
