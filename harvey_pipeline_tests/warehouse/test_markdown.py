"""What the UI shows of a table: Markdown, whatever the rows hold."""

from datetime import date

import polars as pl

from harvey_pipeline.warehouse.markdown import as_markdown

SCHEMA = {"date": pl.Date, "rate": pl.Float64, "name": pl.String}


def test_values_stand_in_their_cells_whatever_they_hold() -> None:
    rows = pl.DataFrame(
        {
            "date": [date(2024, 6, 29), date(2024, 6, 30)],
            "rate": [None, 1234.5],
            "name": ["A | B", "two\nlines"],
        },
        schema=SCHEMA,
    )
    assert as_markdown(rows).splitlines()[2:] == [
        "| 2024-06-29 |  | A \\| B |",
        "| 2024-06-30 | 1,234.50 | two lines |",
    ]


def test_a_table_without_rows_is_its_header() -> None:
    """A widened backfill may reach days of which a table has no row."""
    empty = pl.DataFrame(schema=SCHEMA)
    assert as_markdown(empty).splitlines() == ["| date | rate | name |", "| --- | --- | --- |"]
