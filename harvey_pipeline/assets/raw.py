"""Raw assets: each takes in its source's drops and writes its slice of quarantine and ledger."""

from dataclasses import asdict

import dagster as dg
import polars as pl

from harvey_pipeline.assets.declare import days_of_run, table_asset
from harvey_pipeline.io_managers import as_markdown
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.tables.labels import Source
from harvey_pipeline.warehouse import DayRange

_KINDS = {"csv", "polars", "parquet"}


@table_asset("raw.raw_users", kinds=_KINDS, io_manager_key="raw_io")
def raw_users(context: dg.AssetExecutionContext, raw_store: RawStore) -> dg.MaterializeResult[None]:
    return _ingest(context, raw_store, "users")


@table_asset("raw.raw_firms", kinds=_KINDS, io_manager_key="raw_io")
def raw_firms(context: dg.AssetExecutionContext, raw_store: RawStore) -> dg.MaterializeResult[None]:
    return _ingest(context, raw_store, "firms")


@table_asset("raw.raw_events", kinds=_KINDS, io_manager_key="raw_io")
def raw_events(
    context: dg.AssetExecutionContext, raw_store: RawStore
) -> dg.MaterializeResult[None]:
    return _ingest(context, raw_store, "events")


def _ingest(
    context: dg.AssetExecutionContext, raw_store: RawStore, source: Source
) -> dg.MaterializeResult[None]:
    days = days_of_run(context)
    done = raw_store.ingest(source, DayRange(days[0], days[-1]))
    missing = [str(one.day) for one in done.days if not one.is_observed]
    if missing:
        context.log.warning("%s: no usable drop for %s", source, ", ".join(missing))
    if done.strays:
        context.log.warning("%s: nothing reads %s", source, ", ".join(done.strays))
    ledger = pl.DataFrame([asdict(one) for one in done.days[-7:]]).drop("fingerprint", "data_file")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(one.rows_accepted for one in done.days),
            "rows_read": sum(one.rows_read for one in done.days),
            "rows_repaired": sum(one.rows_repaired for one in done.days),
            "rows_rejected": sum(one.rows_rejected for one in done.days),
            "days_loaded_anew": len(done.reloaded),
            "days_without_usable_drop": missing,
            "unknown_columns": list(done.unknown_columns),
            "files_that_nothing_reads": list(done.strays),
            "preview": dg.MetadataValue.md(as_markdown(ledger)),
        }
    )
