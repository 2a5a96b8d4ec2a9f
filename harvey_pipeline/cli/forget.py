"""`harvey forget`: erase people from all that the pipeline keeps, and compute anew without them."""

import getpass
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from harvey_pipeline.cli.app import (
    OK,
    DagsterHome,
    Debug,
    EndDate,
    LandingDir,
    StartDate,
    UnusableError,
    WarehouseFile,
)
from harvey_pipeline.cli.erasure import erase, errors_told, finish_erasure, opened_places, teller
from harvey_pipeline.cli.plan import read_usable_settings
from harvey_pipeline.cli.run import run_due
from harvey_pipeline.cli.show import listing_output, output, plural, say
from harvey_pipeline.cli.warehouse_file import refuse_unusable_warehouse

if TYPE_CHECKING:
    from harvey_pipeline.privacy.forgetting import Survey

_FILES_NAMED = 20


def forget(
    user_ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="USER_ID...",
            help="Whom to forget: ids of users, or the e-mail addresses of those known only by "
            "them. Without any, an erasure is finished that was interrupted.",
        ),
    ] = None,
    is_dry: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would go, and from where.")
    ] = False,
    is_run_wanted: Annotated[
        bool,
        typer.Option("--run/--no-run", help="Compute at once what rests on the rows that went."),
    ] = True,
    asked_by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="NAME", help="Who asked for it, for the record; else your user name."
        ),
    ] = None,
    landing_dir: LandingDir = None,
    warehouse: WarehouseFile = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    dagster_home: DagsterHome = None,
    debug: Debug = False,
) -> int:
    """Erase people: raw files, quarantine, tables, copies, reports, Dagster's records, Redis.

    It cannot be undone. The landing folder is yours to clean; files of it that hold them are named.
    """
    from harvey_pipeline.privacy.forgetting import survey, without_unknown
    from harvey_pipeline.privacy.request import Request, now_as_text

    settings = read_usable_settings()
    refuse_unusable_warehouse(settings)
    if not settings.warehouse.exists():
        raise UnusableError(f"{settings.warehouse} does not exist: there is nobody to forget.")
    console = output()
    if not is_dry and finish_erasure(settings, console) and not user_ids:
        return run_due(debug=debug) if is_run_wanted else OK
    if not user_ids:
        raise UnusableError("nobody is named. Give the ids of those to forget.")
    ids = _as_known(user_ids)
    asked = Request(ids, asked_by or getpass.getuser(), now_as_text())
    with opened_places(settings) as places, errors_told():
        found = survey(places, asked, teller(console))
        unknown = _unknown(user_ids, found)
        _tell_survey(found, unknown, is_dry=is_dry)
        if len(unknown) == len(user_ids):
            raise UnusableError(
                "nothing was changed: no user of these ids is known. Give them as "
                "`harvey tables` and the landing files have them."
            )
        if is_dry:
            return OK
        erase(places, without_unknown(found.request, found.unknown), console)
    _tell_landing(console, found, _FILES_NAMED)
    if not is_run_wanted:
        say(console, "What rests on their rows is due: compute it with `harvey run`.")
        return OK
    return run_due(debug=debug)


def _as_known(user_ids: Sequence[str]) -> tuple[str, ...]:
    """Ids as the pipeline knows them: blanks trimmed, addresses in lower case too."""
    known = []
    for one in user_ids:
        given = one.strip()
        if not given:
            raise UnusableError("an id is blank. Give the ids of those to forget.")
        known.append(given)
        if "@" in given:
            known.append(given.lower())
    return tuple(dict.fromkeys(known))


def _unknown(user_ids: Sequence[str], found: "Survey") -> list[str]:
    """Those of whom there is nothing, however they are written."""
    return [one for one in user_ids if set(_as_known([one])) <= set(found.unknown)]


def _tell_survey(found: "Survey", unknown: Sequence[str], *, is_dry: bool) -> None:
    """Say what there is of whom, place by place."""
    console = listing_output()
    for one in unknown:
        say(console, Text(f"Unknown: {one}", style="yellow"))
    for one in found.erased_before:
        say(console, f"Erased before: {one}")
    if len(found.unknown) == len(found.request.user_ids):
        return
    say(console, "Would erase:" if is_dry else "Erasing:")
    for place, count in found.request.counts.items():
        say(console, f"  {count:>9,}  {place}")
    if not found.request.counts:
        say(console, "  nothing, but keep their records out from now on")
    if is_dry:
        _tell_landing(console, found, len(found.landing))


def _tell_landing(console: Console, found: "Survey", most: int) -> None:
    """Name the landing files that still hold the people, whom nobody else takes out of them."""
    if not found.landing:
        return
    say(
        console,
        f"{plural(len(found.landing), 'file')} of the landing folder still hold them; they are "
        "left out whenever it is read. Remove their records there yourself:",
    )
    for one in found.landing[:most]:
        told = "cannot be read" if one.records is None else plural(one.records, "record")
        say(console, f"  {one.name} ({told})")
    if len(found.landing) > most:
        more = len(found.landing) - most
        say(console, f"  and {more:,} more; `harvey forget --dry-run` with the same ids names all")
