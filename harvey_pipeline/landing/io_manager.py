"""Raw assets as lazy scans of the raw store's current files. They write by themselves."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl

from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.io_managers import days_of, table_name


class RawStoreIOManager(dg.IOManager):
    """Reads the rows of a range of drops, snapshots with their sightings beside them."""

    def __init__(self, raw_store: RawStore, sources: Sequence[Source]) -> None:
        self._raw_store = raw_store
        self._sources = {source.table.name: source for source in sources}

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        raise NotImplementedError("raw assets write through the raw store")

    def load_input(self, context: dg.InputContext) -> pl.LazyFrame:
        source = self._sources[table_name(context.asset_key)]
        days = days_of(context)
        if days is None:
            return source.table.empty()
        return self._raw_store.read(source, days)
