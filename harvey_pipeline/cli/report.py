"""`harvey report`: the report of a day, and pages of a firm or a user, as files to look at."""

import webbrowser
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harvey_pipeline.cli.app import (
    OK,
    Debug,
    FailedError,
    UnusableError,
    WarehouseFile,
    refuse_address,
    unknown_name,
)
from harvey_pipeline.cli.published import open_published, read_day, rows_of
from harvey_pipeline.cli.show import output, plural, say

if TYPE_CHECKING:
    import duckdb

    from harvey_pipeline.settings import Settings


def write_report(
    day: Annotated[
        str | None, typer.Option(metavar="DAY", help="As YYYY-MM-DD; else the last day run.")
    ] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only chapters of this subject; may be repeated."),
    ] = None,
    firm: Annotated[
        str | None, typer.Option(metavar="ID", help="Only the page of this firm.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="Only the page of this user.")
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Print the page as PDF too.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write the tables too, as CSV.")] = False,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Write the tables too, as Parquet.")
    ] = False,
    is_opened: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Folder of reports.",
            show_default="the warehouse's name with .reports, beside it",
        ),
    ] = None,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Write the report of a day, out of the published copy."""
    from harvey_pipeline.reports import report
    from harvey_pipeline.reports.contents import DAYS_READ
    from harvey_pipeline.reports.exporting import FORMS, export_tables
    from harvey_pipeline.reports.printing import PrintingError, find_browser, print_pdf
    from harvey_pipeline.reports.subject import reports_folder
    from harvey_pipeline.settings import read_settings

    settings = read_settings()
    if firm is not None and user is not None:
        raise UnusableError("--firm and --user were both given; give one of them.")
    for name in subject or ():
        if name not in DAYS_READ:
            raise unknown_name(
                "subject with chapters", name, list(DAYS_READ), "harvey report --help"
            )
    subjects = subject or [
        name for name in DAYS_READ if not settings.subjects or name in settings.subjects
    ]
    if out is not None:
        refuse_address("--out", out)
    reports = Path(out) if out is not None else reports_folder(settings.warehouse)
    console = output()

    def tell(step: str) -> None:
        say(console, f"  {step}")

    try:
        if pdf:
            find_browser()
        with open_published(settings, "marts", _nothing_run(settings)) as connection:
            chosen = _choose_day(connection, day, settings)
            folder = reports / "-".join([str(chosen), *dict.fromkeys(subject or ())])
            say(console, f"Report of {chosen}:")
            if firm is not None:
                found = report.write_firm(connection, chosen, folder, firm)
                page = _known(found, f"firm {firm}", chosen)
            elif user is not None:
                found = report.write_user(connection, chosen, folder, user)
                page = _known(found, f"user {user}", chosen)
            else:
                page = report.write_report(connection, chosen, folder, subjects, tell).page
            for form in FORMS:
                if {"csv": csv, "parquet": parquet}[form]:
                    tables = folder.with_name(f"{folder.name}-{form}")
                    files = export_tables(connection, chosen, subjects, tables, form, tell)
                    say(console, f"{plural(len(files), 'table')} written to {tables}")
        say(console, f"Written: {page}")
        if pdf:
            printed = page.with_suffix(".pdf")
            print_pdf(page, printed)
            say(console, f"Printed: {printed}")
    except PrintingError as error:
        raise FailedError(str(error)) from error
    except OSError as error:
        raise UnusableError(
            f"{error.filename or reports} cannot be written: {error.strerror}. Give another folder "
            f"by --out."
        ) from error
    if is_opened and not webbrowser.open(page.absolute().as_uri()):
        raise FailedError(f"no browser could be opened. Open {page} yourself.")
    return OK


def _choose_day(
    connection: "duckdb.DuckDBPyConnection", text: str | None, settings: "Settings"
) -> date:
    """The day that `--day` names, else the last one run."""
    query = "select max(date) as day from marts.harvey_analytics_dashboard"
    last = rows_of(connection, query)[0]["day"]
    if last is None:
        raise UnusableError(_nothing_run(settings))
    chosen = read_day(text, last)
    if not rows_of(connection, f"{query} where date = ? having count(*) > 0", [chosen]):
        raise UnusableError(
            f"{chosen} was not run: the last day run is {last}. Run it with "
            f"`harvey run --from {chosen} --to {chosen}`, or choose another --day."
        )
    return chosen


def _known(page: Path | None, what: str, day: date) -> Path:
    if page is None:
        raise UnusableError(f"there is no {what} on {day}. Choose another one, or another --day.")
    return page


def _nothing_run(settings: "Settings") -> str:
    return (
        f"Nothing is published beside {settings.warehouse}. Put drops into "
        f"{settings.landing_dir} and compute them with `harvey run`."
    )
