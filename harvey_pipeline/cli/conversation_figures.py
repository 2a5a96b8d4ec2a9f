"""What commands about conversations share: the copy, its days, and how figures are written."""

from datetime import date
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harvey_pipeline.cli.app import UnusableError
from harvey_pipeline.cli.published import Row, open_published, read_day, rows_of
from harvey_pipeline.cli.show import say

if TYPE_CHECKING:
    import duckdb

    from harvey_pipeline.settings import Settings


def open_conversations(settings: "Settings") -> "duckdb.DuckDBPyConnection":
    """A read-only connection to the published copy.

    Raises:
        UnusableError: Nothing of the conversations is published.
    """
    return open_published(settings, "conversations", _nothing_run(settings))


def choose_day(
    connection: "duckdb.DuckDBPyConnection", text: str | None, settings: "Settings"
) -> date:
    """The day that `--day` names, else the last one run.

    Raises:
        UnusableError: It is no day, or was not run.
    """
    last = rows_of(connection, "select max(date) as day from conversations.pmf_dashboard")[0]["day"]
    if last is None:
        raise UnusableError(_nothing_run(settings))
    chosen = read_day(text, last)
    if not rows_of(
        connection, "select 1 from conversations.pmf_dashboard where date = ?", [chosen]
    ):
        raise UnusableError(
            f"{chosen} was not run: the last day run is {last}. Run it with "
            f"`harvey run --from {chosen} --to {chosen}`, or choose another --day."
        )
    return chosen


def _nothing_run(settings: "Settings") -> str:
    return (
        f"Nothing of the conversations is published beside {settings.warehouse}. Put drops of "
        f"conversation_events and accounts into {settings.landing_dir} and compute them with "
        "`harvey run`."
    )


def board_of(connection: "duckdb.DuckDBPyConnection", day: date) -> Row | None:
    """The dashboard's row of a day, if it was run."""
    rows = rows_of(connection, "select * from conversations.pmf_dashboard where date = ?", [day])
    return rows[0] if rows else None


# --- words ---------------------------------------------------------------------------------------


def percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} %"


def number(value: float | None) -> str:
    """A figure: whole numbers as they are, others with one decimal."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def in_words(name: str) -> str:
    """A name such as `contract_review` as it is read."""
    return name.replace("_", " ")


def printable(text: Any) -> str:
    """Text of a person in one line, without what steers a terminal."""
    return "".join(one if one.isprintable() else " " for one in str(text))


def signal_value(signal: Row) -> str:
    """A signal's value beside its threshold, in the signal's unit."""
    value, threshold = signal["value"], signal["threshold"]
    if value is None:
        return "not known"
    if signal["signal"] in ("no_credit_exhaustion", "repeated_blockers"):
        return f"{value:,.0f}"
    if signal["signal"] == "short_conversations":
        return f"{value:,.1f} messages (below {threshold:g} is short)"
    return f"{value:,.1f} % (above {threshold:g} %)"


def show_rows(console: Console, grid: Table, count: int) -> None:
    """Print a list, or that there is nothing to list, and how many of `count` are left out."""
    if not count:
        say(console, "  none")
        return
    console.print(grid)
    if count > grid.row_count:
        say(console, Text(f"  and {count - grid.row_count:,} more", style="dim"))
