"""Rows beside those of all together."""

import polars as pl

from harvey_pipeline.segments.transforms.totals import percent, with_all


def test_every_row_counts_once_on_its_own_and_once_in_all() -> None:
    rows = pl.LazyFrame({"tenant_id": ["a", "b", None, "all"], "users": [1, 2, 4, 8]})
    counted = with_all(rows, "tenant_id").group_by("tenant_id").agg(pl.col("users").sum())
    assert dict(counted.collect().iter_rows()) == {"a": 1, "b": 2, "all": 15}


def test_a_percentage_of_nothing_is_null() -> None:
    counts = pl.DataFrame(
        {"part": [1, 0, 0, 1, None], "whole": [3, 4, 0, None, 5]},
        schema={"part": pl.Int64, "whole": pl.Int64},
    )
    found = counts.select(percent(pl.col("part"), pl.col("whole"))).to_series().to_list()
    assert found == [100 / 3, 0.0, None, None, None]
