"""The code location: the graph with its resources."""

import dagster as dg

from harvey_pipeline.assets import core, marts, raw
from harvey_pipeline.checks import build_checks
from harvey_pipeline.io_managers import RawStoreIOManager, WarehouseIOManager
from harvey_pipeline.partitions import CALENDAR
from harvey_pipeline.resources import build_resources, read_settings


def build_definitions() -> dg.Definitions:
    warehouse, raw_store = build_resources(read_settings(), CALENDAR)
    return dg.Definitions(
        assets=dg.load_assets_from_modules([raw, core, marts]),
        asset_checks=build_checks(),
        jobs=[dg.define_asset_job("daily", dg.AssetSelection.all())],
        resources={
            "warehouse": warehouse,
            "raw_store": raw_store,
            "warehouse_io": WarehouseIOManager(warehouse=warehouse),
            "raw_io": RawStoreIOManager(raw_store=raw_store),
        },
        executor=dg.in_process_executor,
    )


defs = build_definitions()
