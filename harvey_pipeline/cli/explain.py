"""`harvey explain`: why a user has the tier, and what would change it."""

import shlex
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from harvey_pipeline.cli.app import OK, Debug, UnusableError, WarehouseFile
from harvey_pipeline.cli.conversation_figures import printable
from harvey_pipeline.cli.published import Row, open_published, read_day, rows_of
from harvey_pipeline.cli.show import listing_output, say

if TYPE_CHECKING:
    import duckdb

    from harvey_pipeline.settings import Settings

_USERS: Final = "marts.daily_user_engagement"
_CHANGES: Final = "marts.tier_changes"


def explain_one(
    user: Annotated[str, typer.Argument(metavar="USER_ID", help="The user.")],
    day: Annotated[
        str | None,
        typer.Option(
            metavar="DAY", help="As YYYY-MM-DD; else the last one run that is not cut off."
        ),
    ] = None,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Explain a user's score and tier, and what would change them."""
    from harvey_pipeline.reports.explaining import explain_user
    from harvey_pipeline.settings import read_settings

    settings = read_settings()
    with open_published(settings, "marts", _nothing_run(settings)) as connection:
        chosen, notes = _choose_day(connection, day, settings)
        row = _find_user(connection, user, chosen)
        told = explain_user(row, _find_change(connection, user, chosen))
    console = listing_output()
    for note in notes:
        say(console, Text(f"{note}\n", style="yellow"))
    say(console, Text(_header(row), style="bold"))
    for statement in told:
        say(console, f"\n  {statement.sentence}")
        say(console, Text(f"    {statement.evidence}", style="dim"))
    say(
        console,
        f"\nWith charts and history: `harvey report --user {printable(shlex.quote(user))}`. All "
        f"columns: {_USERS}.",
    )
    return OK


def _nothing_run(settings: "Settings") -> str:
    return (
        f"Nothing of users is published beside {settings.warehouse}. Put drops of users, firms "
        f"and events into {settings.landing_dir} and compute them with `harvey run`."
    )


def _choose_day(
    connection: "duckdb.DuckDBPyConnection", text: str | None, settings: "Settings"
) -> tuple[date, Sequence[str]]:
    """The day that is asked for, else the headline's, with what has to be said of that first.

    Raises:
        UnusableError: No day, or not this one, was run.
    """
    from harvey_pipeline.reports.figures import Figures
    from harvey_pipeline.reports.pages.headline import notes_of

    if _USERS not in Figures(connection, date.max).tables:
        raise UnusableError(_nothing_run(settings))
    last = rows_of(connection, f"select max(date) as day from {_USERS}")[0]["day"]
    if last is None:
        raise UnusableError(_nothing_run(settings))
    if text is None:
        figures = Figures(connection, last)
        return figures.news_day, notes_of(figures)
    chosen = read_day(text, last)
    if not rows_of(connection, f"select 1 from {_USERS} where date = ? limit 1", [chosen]):
        raise UnusableError(
            f"{chosen} has no scores: the last day run is {last}. Run it with "
            f"`harvey run --from {chosen} --to {chosen}`, or choose another --day."
        )
    return chosen, ()


def _find_user(connection: "duckdb.DuckDBPyConnection", user: str, day: date) -> Row:
    """The user's row of a day.

    Raises:
        UnusableError: There is none; names those that may have been meant.
    """
    found = rows_of(
        connection, f"select * from {_USERS} where date = ? and user_id = ?", [day, user]
    )
    if found:
        return found[0]
    close = rows_of(
        connection,
        "select user_id, jaro_winkler_similarity(user_id, $user) as closeness "
        f"from {_USERS} where date = $day and closeness > 0.8 "
        "order by closeness desc, user_id limit 3",
        {"user": user, "day": day},
    )
    meant = " or ".join(printable(row["user_id"]) for row in close)
    hint = f"Did you mean {meant}?" if meant else f"The table {_USERS} lists them."
    raise UnusableError(f"no user is named {printable(user)} on {day}. {hint}")


def _find_change(connection: "duckdb.DuckDBPyConnection", user: str, day: date) -> Row | None:
    """The user's change of tier, if there is one."""
    found = rows_of(
        connection, f"select * from {_CHANGES} where date = ? and user_id = ?", [day, user]
    )
    return found[0] if found else None


def _header(row: Row) -> str:
    role = row["user_role"] or "role unknown"
    firm = "no firm" if row["firm_id"] is None else f"mostly of {row['firm_id']}"
    return printable(f"{row['user_id']} on {row['date']}: {role}, {firm}")
