"""The subject's tables beyond the raw ones, each once: columns, keys, allowed values, rules."""

from collections.abc import Mapping
from typing import Final

from harvey_pipeline.conversations.tables import conversations, marts, sums, users
from harvey_pipeline.warehouse.table import Table

TABLES: Final[Mapping[str, Table]] = {
    table.own_name: table for part in (sums, conversations, users, marts) for table in part.TABLES
}
"""By their own names."""
