"""What the reference makes of a few CSV files, and a look at its tables."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from harvey_pipeline_tests.agents.landings import days_from
from harvey_pipeline_tests.agents.oracle import expected_tables

FIRST = date(2024, 1, 1)
Tables = dict[str, list[dict[str, Any]]]

APPROVALS = "id,conversation_id,shop_domain,status,created_at"
QUERIES = "id,shop_domain,created_at"
FEEDBACK = "id,annotator_email,shop_domain,created_at"


def landed(
    root: Path, files: Mapping[str, str], days: int, *, fiscal_start: int = 1, today: str = ""
) -> Tables:
    """The reference's tables over these CSV files, for some days from 1 January 2024 on."""
    for name, text in files.items():
        path = root / (f"{name}.csv" if "." not in name else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    run = days_from(FIRST, days)
    return expected_tables(
        root,
        run,
        FIRST,
        calendar_end=run[-1],
        today=date.fromisoformat(today) if today else run[-1],
        fiscal_start=fiscal_start,
    )


def jan(day: int) -> str:
    return f"2024-01-{day:02}"


def january(day: int) -> date:
    return date(2024, 1, day)


def values_of(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    """Some columns of a table, in order."""
    return sorted((tuple(row[column] for column in columns) for row in rows), key=str)


def one(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """The row that has these values."""
    [row] = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return row


def reasons(tables: Tables) -> list[tuple[Any, ...]]:
    return values_of(tables["raw.quarantine"], "drop_date", "line_number", "reasons")
