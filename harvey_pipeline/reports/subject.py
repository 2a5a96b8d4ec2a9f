"""The report as a subject: it brings no files, and rests on what the others have computed.

What draws is imported when a report is written: Altair takes half a second to import.
"""

import base64
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from harvey_pipeline.graph.assets import TableAsset, asset_key, reads
from harvey_pipeline.reports.contents import DASHBOARD, DAYS_READ, tables_read
from harvey_pipeline.reports.tables import ANALYTICS_REPORT
from harvey_pipeline.reports.transforms import list_reports
from harvey_pipeline.subject import Subject
from harvey_pipeline.warehouse.warehouse import Warehouse


def reports_folder(warehouse: Path) -> Path:
    """Where the reports of a warehouse are: a folder beside it, in it one for each day."""
    return warehouse.with_name(f"{warehouse.stem}.reports")


def report_over(subjects: Collection[str]) -> Subject:
    """The subject `reports`, over the tables of the subjects of these names."""
    shown = tuple(name for name in DAYS_READ if name in subjects)
    read = {one.table: one for one in tables_read(shown)}
    dashboard_read = read.pop(DASHBOARD.name, reads(DASHBOARD))

    def write_report(
        days: list[date],
        dashboard: pl.LazyFrame,
        warehouse: Warehouse,
        context: dg.AssetExecutionContext,
    ) -> pl.LazyFrame:
        """List the days' reports, and write that of the last one."""
        from harvey_pipeline.reports.report import write_report

        listed = list_reports(dashboard, days)
        if days[-1] not in listed.select("date").collect()["date"]:
            context.log.info("%s has no figures, so that there is no report of it.", days[-1])
            return listed
        with warehouse.connect() as connection:
            written = write_report(
                connection,
                days[-1],
                reports_folder(warehouse.path) / str(days[-1]),
                shown,
                context.log.info,
            )
        pictures = "\n\n".join(
            f"![{finding}](data:image/png;base64,{base64.b64encode(png).decode()})"
            for finding, png in written.pictures.items()
        )
        shown_in_ui: dict[str, dg.MetadataValue[Any] | int] = {
            "report": dg.MetadataValue.path(str(written.page.absolute())),
            "report_link": dg.MetadataValue.url(written.page.absolute().as_uri()),
            "report_bytes": written.page_bytes,
            "pages_of_firms": written.firms,
            "pages_of_users": written.users,
            "pictures": dg.MetadataValue.md(pictures),
        }
        context.add_asset_metadata(shown_in_ui, partition_key=str(days[-1]))
        context.log_event(
            dg.AssetObservation(asset_key(DASHBOARD), partition=str(days[-1]), metadata=shown_in_ui)
        )
        return listed

    return Subject(
        name="reports",
        title="What there is to see of a day: a report with charts, pages of firms and users.",
        sources=(),
        tables=(ANALYTICS_REPORT,),
        assets=(
            TableAsset(
                ANALYTICS_REPORT,
                write_report,
                {"dashboard": dashboard_read},
                after=tuple(read.values()),
            ),
        ),
        guide=Path(__file__).with_name("guide.md"),
        is_always_run=True,
    )


SUBJECT: Final = report_over(DAYS_READ)
