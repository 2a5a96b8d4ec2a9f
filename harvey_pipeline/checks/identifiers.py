"""Ids that are probably the same and yet written in two ways."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from harvey_pipeline.checks.blocks import within
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.warehouse.table import Table

IDS_WRITTEN_ALIKE: Final = Check(
    "ids_are_written_alike",
    "No two ids differ by `.0` at their end or zeros at their beginning only.",
    WARN,
    advice="Ask the senders to write ids alike: these count as different ones.",
)


def written_unlike(table: Table, column: str, days: Sequence[date]) -> str:
    """SQL: a row per id of some days that differs from another one in its writing only.

    Its first day and the id itself. All days together, for two writings may lie far apart.
    """
    assert table.day_column is not None
    day = table.day_column
    plain = f"regexp_replace(regexp_replace({column}, '\\.0$', ''), '^0+(.)', '\\1')"
    return (
        f"select min({day}) as {day}, {column} from {table} where {within(day, days)} "
        f"group by {column} qualify count(*) over (partition by {plain}) > 1"
    )
