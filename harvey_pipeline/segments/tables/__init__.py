"""The subject's tables beyond the raw ones, each once: columns, keys, allowed values, rules."""

from collections.abc import Mapping
from typing import Final

from harvey_pipeline.segments.tables import access, evaluation, opinions, outcomes, scores, segments
from harvey_pipeline.warehouse.table import Table

TABLES: Final[Mapping[str, Table]] = {
    table.own_name: table
    for part in (access, scores, segments, outcomes, evaluation, opinions)
    for table in part.TABLES
}
"""By their own names."""
