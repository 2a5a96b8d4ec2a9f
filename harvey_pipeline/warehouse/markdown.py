"""Rows as Markdown, for metadata that the UI draws."""

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


def _cell(value: Any) -> str:
    text = f"{value:,.2f}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
