"""`harvey archive`: take old months of some tables out of the warehouse, and bring them back."""

from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from typing import Annotated

import typer

from harvey_pipeline.cli.app import OK, Debug, FailedError, UnusableError, WarehouseFile
from harvey_pipeline.cli.show import listing_output, plural, say
from harvey_pipeline.cli.warehouse_file import refuse_unusable_warehouse


def archive(
    before: Annotated[
        str | None,
        typer.Option("--before", metavar="DAY", help="Archive the months that end before it."),
    ] = None,
    restore: Annotated[
        str | None,
        typer.Option("--restore", metavar="MONTH", help="Bring a month back, as YYYY-MM."),
    ] = None,
    is_dry: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be archived.")
    ] = False,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Take whole months of a subject's largest tables out of the warehouse, into Parquet files.

    What was computed from them stays. It is never done by itself.
    """
    from harvey_pipeline.definitions import CALENDAR, SUBJECTS, build_resources, tables_of, views_of
    from harvey_pipeline.settings import read_settings
    from harvey_pipeline.warehouse.archive import archive_month, months_to_archive, restore_month
    from harvey_pipeline.warehouse.publishing import publish
    from harvey_pipeline.warehouse.warehouse import WarehouseError

    if (before is None) == (restore is None):
        raise UnusableError("give either --before DAY or --restore MONTH.")
    day = None if before is None else _read("--before", before, "%Y-%m-%d", "YYYY-MM-DD")
    month = None if restore is None else _read("--restore", restore, "%Y-%m", "YYYY-MM")
    tables = [table for subject in SUBJECTS for table in subject.archivable]
    settings = read_settings()
    refuse_unusable_warehouse(settings)
    if not settings.warehouse.exists():
        raise UnusableError(f"{settings.warehouse} does not exist; harvey run makes it.")
    if not tables:
        raise UnusableError("no subject has tables whose months can be archived.")
    store, _ = build_resources(settings, CALENDAR)
    console = listing_output()
    try:
        with store.kept_open():
            months = [month] if month else months_to_archive(store, tables, day or date.min)
            if not months:
                say(console, f"No month that ends before {day} is left to archive.")
            step: Callable[..., int] = restore_month if month else archive_month
            for one in months:
                if is_dry:
                    say(console, f"Would archive {one:%Y-%m}")
                    continue
                rows = step(store, tables, one)
                verb = "Brought back" if month else "Archived"
                say(console, f"{verb} {one:%Y-%m}: {plural(rows, 'row')}")
            if not is_dry:
                publish(store, tables_of(SUBJECTS), views_of(SUBJECTS))
    except WarehouseError as error:
        raise FailedError(str(error)) from error
    return OK


def _read(option: str, text: str, form: str, shown: str) -> date:
    with suppress(ValueError):
        return datetime.strptime(text, form).date()
    raise UnusableError(f"{option} {text} cannot be read; give {shown}.")
