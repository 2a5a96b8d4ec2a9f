"""Raw assets: each takes in its source's drops and writes its slice of quarantine and ledger."""

from dataclasses import asdict
from datetime import date

import dagster as dg
import polars as pl

from harvey_pipeline.graph.assets import are_checks_selected, declare_asset
from harvey_pipeline.graph.computing import is_due_run
from harvey_pipeline.graph.due import due_raw_days
from harvey_pipeline.graph.partitions import Partitions
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.markdown import as_markdown


def raw_asset(source: Source, subject: str, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset of the raw table of a subject's source."""

    def ingest(
        context: dg.AssetExecutionContext, raw_store: RawStore
    ) -> dg.MaterializeResult[None]:
        days = [date.fromisoformat(key) for key in context.partition_keys]
        if is_due_run(context):
            days = sorted(due_raw_days(source, days, raw_store.warehouse, raw_store))
        if not days:
            return dg.MaterializeResult(metadata={"days_loaded_anew": 0})
        done = raw_store.ingest(
            source,
            DayRange(days[0], days[-1]),
            awaits_checks=are_checks_selected(context, source.table),
        )
        missing = [str(one.day) for one in done.days if not one.is_observed]
        if missing:
            context.log.warning("%s: no usable drop for %s", source.name, ", ".join(missing))
        if done.strays:
            context.log.warning("%s: nothing reads %s", source.name, ", ".join(done.strays))
        for one in done.days:
            counts = {
                "dagster/partition_row_count": one.rows_accepted,
                "rows_read": one.rows_read,
                "rows_repaired": one.rows_repaired,
                "rows_rejected": one.rows_rejected,
                "rows_erased": one.rows_erased,
            }
            context.add_asset_metadata(counts, partition_key=str(one.day))
        ledger = pl.DataFrame([asdict(one) for one in done.days[-7:]])
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(one.rows_accepted for one in done.days),
                "rows_read": sum(one.rows_read for one in done.days),
                "rows_repaired": sum(one.rows_repaired for one in done.days),
                "rows_rejected": sum(one.rows_rejected for one in done.days),
                "rows_erased": sum(one.rows_erased for one in done.days),
                "days_loaded_anew": len(done.reloaded),
                "days_without_usable_drop": missing,
                "unknown_columns": list(done.unknown_columns),
                "files_that_nothing_reads": list(done.strays),
                **({"parts": done.parts} if done.parts else {}),
                **done.engine,
                "preview": dg.MetadataValue.md(
                    as_markdown(ledger.drop("fingerprint", "data_file"))
                ),
            }
        )

    kinds = ("csv", "polars", "parquet")
    declare = declare_asset(
        source.table, subject, partitions, kinds=kinds, io_manager_key="raw_io", code=ingest
    )
    return declare(ingest)
