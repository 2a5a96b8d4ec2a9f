"""The code location: the graph with its resources."""

import dagster as dg

from harvey_pipeline.assets import core, marts, months, raw
from harvey_pipeline.automation import DAILY_JOB, MONTHLY_JOB, daily_schedule, monthly_schedule
from harvey_pipeline.checks import build_checks
from harvey_pipeline.io_managers import RawStoreIOManager, WarehouseIOManager
from harvey_pipeline.partitions import CALENDAR
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.resources import build_resources, read_settings
from harvey_pipeline.warehouse import Warehouse


def build_definitions(warehouse: Warehouse, raw_store: RawStore) -> dg.Definitions:
    """The graph over a warehouse and a raw store; a test gives its own."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules([raw, core, marts, months]),
        asset_checks=build_checks(),
        jobs=[DAILY_JOB, MONTHLY_JOB],
        schedules=[daily_schedule, monthly_schedule],
        resources={
            "warehouse": warehouse,
            "raw_store": raw_store,
            "warehouse_io": WarehouseIOManager(warehouse=warehouse),
            "raw_io": RawStoreIOManager(raw_store=raw_store),
        },
        executor=dg.in_process_executor,
    )


defs = build_definitions(*build_resources(read_settings(), CALENDAR))
