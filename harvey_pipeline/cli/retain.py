"""`harvey retain`: delete the rows that are kept no longer, or say which they are."""

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from harvey_pipeline.cli.app import OK, Debug, FailedError, LandingDir, UnusableError, WarehouseFile
from harvey_pipeline.cli.plan import waits_told
from harvey_pipeline.cli.show import listing_output, plural, say
from harvey_pipeline.cli.warehouse_file import refuse_unusable_warehouse

if TYPE_CHECKING:
    from harvey_pipeline.warehouse.retention import Expired


def retain(
    is_applied: Annotated[
        bool, typer.Option("--apply", help="Delete them; without it they are only counted.")
    ] = False,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="DAY",
            help="The day from which periods are counted back.",
            show_default="the last day computed",
        ),
    ] = None,
    landing_dir: LandingDir = None,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Say which rows are older than their tables are to be kept, and delete them with --apply.

    What was computed from them stays. Days that were deleted are not computed again. It is never
    done by itself.
    """
    from harvey_pipeline.definitions import (
        ALL_SUBJECTS,
        CALENDAR,
        build_resources,
        graph_of,
        tables_of,
        views_of,
    )
    from harvey_pipeline.settings import read_settings, read_users_days
    from harvey_pipeline.warehouse.publishing import publish
    from harvey_pipeline.warehouse.retention import (
        cutoffs_of,
        delete_expired,
        find_expired,
        last_day_computed,
    )
    from harvey_pipeline.warehouse.warehouse import WarehouseError

    settings, users_days = read_settings(), read_users_days()
    refuse_unusable_warehouse(settings)
    day = None if as_of is None else _read_day(as_of)
    if not settings.warehouse.exists():
        raise UnusableError(f"{settings.warehouse} does not exist; `harvey run` makes it.")
    store, _ = build_resources(settings, CALENDAR)
    tables = tables_of(ALL_SUBJECTS)
    # Those of which something rests on every day, however old, cannot lack any.
    needed = {
        one.table
        for asset in graph_of(ALL_SUBJECTS).assets
        for one in asset.upstream
        if one.is_all_before
    }
    console = listing_output()
    try:
        with waits_told():
            day = day or last_day_computed(store, tables.values())
            if day is None:
                say(console, "Nothing was computed yet.")
                return OK
            cutoffs = cutoffs_of(tables.values(), users_days, needed, day)
            found = delete_expired(store, cutoffs) if is_applied else find_expired(store, cutoffs)
            for one in found:
                say(console, _told(one, is_applied=is_applied))
            if is_applied:
                # Also what a killed one has deleted and not published.
                publish(store, tables, views_of(ALL_SUBJECTS))
    except WarehouseError as error:
        raise FailedError(str(error)) from error
    rows = plural(sum(one.rows + one.archived for one in found), "row")
    if is_applied:
        say(console, f"{rows} deleted, of what is kept no longer on {day}.")
    else:
        say(
            console,
            f"{rows} would be deleted, counted back from {day}"
            + ("; --apply deletes them." if found else "."),
        )
    return OK


def _told(one: "Expired", *, is_applied: bool) -> str:
    verb = "Deleted" if is_applied else "Would delete"
    mondays = one.cutoff.mondays_before
    kept = f"kept from {one.cutoff.before}"
    if mondays != one.cutoff.before:
        kept += f", Mondays from {mondays}"
    archived = f", {one.archived:,} of them archived" if one.archived else ""
    return (
        f"{verb} {one.table}: {plural(one.rows + one.archived, 'row')} of {one.first} to "
        f"{one.last}{archived}; {kept}"
    )


def _read_day(text: str) -> date:
    day = None
    with suppress(ValueError):
        day = date.fromisoformat(text)
    if day is None:
        raise UnusableError(f"--as-of {text} cannot be read; give YYYY-MM-DD.")
    if day > datetime.now(UTC).date():
        raise UnusableError(f"--as-of {text} is yet to come; give a day that has been.")
    return day
