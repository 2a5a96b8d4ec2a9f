"""What the UI shows of a table: Markdown, whatever the rows hold."""

from datetime import date

import polars as pl

from harvey_pipeline.warehouse.markdown import as_markdown, last_row_as_markdown

SCHEMA = {"date": pl.Date, "rate": pl.Float64}
MEANINGS: dict[str, str | None] = {"date": "The day.", "rate": "A | B."}


def test_the_last_row_stands_line_by_line_with_its_meaning() -> None:
    rows = pl.DataFrame(
        {"date": [date(2024, 6, 29), date(2024, 6, 30)], "rate": [1.0, 1234.5]}, schema=SCHEMA
    )
    assert last_row_as_markdown(rows, MEANINGS).splitlines()[2:] == [
        "| date | 2024-06-30 | The day. |",
        "| rate | 1,234.50 | A \\| B. |",
    ]


def test_a_table_without_rows_is_its_header() -> None:
    """A widened backfill may reach days of which the dashboard has no row."""
    empty = pl.DataFrame(schema=SCHEMA)
    assert last_row_as_markdown(empty, MEANINGS) == as_markdown(empty)
    assert as_markdown(empty).splitlines() == ["| date | rate |", "| --- | --- |"]
