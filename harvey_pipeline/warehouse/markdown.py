"""Rows as Markdown, for metadata that the UI draws."""

from collections.abc import Mapping
from typing import Any

import polars as pl


def as_markdown(rows: pl.DataFrame) -> str:
    """A table in Markdown; bars in values are escaped."""
    lines = [
        "| " + " | ".join(rows.columns) + " |",
        "|" + " --- |" * rows.width,
    ]
    for row in rows.iter_rows():
        cells = ["" if value is None else _cell(value) for value in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def last_row_as_markdown(rows: pl.DataFrame, descriptions: Mapping[str, str | None]) -> str:
    """The last row as a table of its own: a line per column, with what the column means."""
    if rows.is_empty():
        return as_markdown(rows)
    last = rows.row(-1, named=True)
    return as_markdown(
        pl.DataFrame(
            {
                "KPI": list(last),
                "value": ["" if value is None else _cell(value) for value in last.values()],
                "meaning": [descriptions[name] for name in last],
            }
        )
    )


def _cell(value: Any) -> str:
    text = f"{value:,.2f}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
