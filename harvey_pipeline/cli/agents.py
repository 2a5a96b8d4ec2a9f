"""`harvey agents`: how the AI agents did on a day, what waits for review, and what is wrong."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from harvey_pipeline.cli.app import OK, DagsterHome, Debug, UnusableError, WarehouseFile
from harvey_pipeline.cli.published import Row, open_published, read_day, rows_of
from harvey_pipeline.cli.show import columns_of, headline_table, listing_output, plural, say
from harvey_pipeline.cli.status import failed_checks

if TYPE_CHECKING:
    from harvey_pipeline.settings import Settings

_OLDEST_SHOWN: Final = 5


def show_agents(
    day: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="The day, as YYYY-MM-DD; else the last day run."),
    ] = None,
    warehouse: WarehouseFile = None,
    dagster_home: DagsterHome = None,
    debug: Debug = False,
) -> int:
    """Show a day of the AI agents, their expectations, the review queue and failed checks."""
    from harvey_pipeline.settings import read_settings

    settings = read_settings()
    with open_published(settings, "agents", _nothing_run(settings)) as connection:
        last = rows_of(connection, "select max(date) as day from agents.daily_agent_summary")[0][
            "day"
        ]
        if last is None:
            raise UnusableError(_nothing_run(settings))
        chosen = read_day(day, last)
        found = rows_of(
            connection, "select * from agents.daily_agent_summary where date = ?", [chosen]
        )
        if not found:
            raise UnusableError(
                f"{chosen} was not run: the last day run is {last}. Run it with "
                f"`harvey run --from {chosen} --to {chosen}`, or choose another --day."
            )
        expectations = rows_of(
            connection, "select * from agents.agent_expectations order by total_drafts desc, 1"
        )
        queue = rows_of(
            connection,
            "select source_id, shop_domain, agent_type_code, age_days, count(*) over () as drafts "
            "from agents.pending_drafts join agents.dim_shop using (shop_sk) "
            f"order by created_at, source_id limit {_OLDEST_SHOWN}",
        )
    console = listing_output()
    _show_day(console, chosen, found[0])
    _show_expectations(console, last, expectations)
    _show_queue(console, last, queue)
    _show_checks(console, settings)
    return OK


def _nothing_run(settings: "Settings") -> str:
    return (
        f"Nothing of the AI agents is published beside {settings.warehouse}. Put drops such as "
        f"agent_approvals/<YYYY-MM-DD>.csv into {settings.landing_dir} and compute them with "
        "`harvey run`."
    )


def _show_day(console: Console, day: date, row: Row) -> None:
    from harvey_pipeline.agents import SUBJECT

    assert SUBJECT.headline is not None
    say(console, Text(f"{SUBJECT.headline.title} of {day}\n", style="bold"))
    console.print(headline_table(SUBJECT.headline.groups, row))
    for source in ("approvals", "queries", "feedback"):
        if not row[f"is_{source}_covered"]:
            say(console, Text(f"Nothing was delivered of agent_{source}.", style="yellow"))


def _show_expectations(console: Console, last: date, rows: Sequence[Row]) -> None:
    say(console, Text(f"\nAgent types against expectations, 30 days up to {last}", style="bold"))
    grid = columns_of(4)
    for row in rows:
        grid.add_row(f"  {row['agent_type_sk']}", *_judged(row))
    console.print(grid)


def _judged(row: Row) -> Iterator[str | Text]:
    queries = row["total_queries"]
    yield (
        f"{plural(row['total_drafts'], 'draft')}, "
        f"{queries:,} {'query' if queries == 1 else 'queries'}"
    )
    for name, found, expected, is_met, unit in (
        ("approved", "approval_rate_of_reviewed", "expected_approval_rate", "approval_rate", "%"),
        ("latency", "avg_latency_ms", "expected_avg_latency_ms", "latency", "ms"),
    ):
        told = "-" if row[found] is None else f"{row[found]:,.1f} {unit}"
        if row[expected] is not None:
            told += f" of {row[expected]:,.0f} {unit} expected"
        verdict = row[f"is_{is_met}_met"]
        style = {True: "green", False: "red"}.get(verdict, "")
        yield Text(f"{name} {told}" + (", not met" if verdict is False else ""), style=style)


def _show_queue(console: Console, last: date, oldest: Sequence[Row]) -> None:
    count = oldest[0]["drafts"] if oldest else 0
    say(console, Text(f"\nReview queue of {last}", style="bold"))
    say(console, f"  {plural(count, 'draft')} pending" + (", oldest first:" if oldest else ""))
    grid = columns_of(4)
    for row in oldest:
        age = plural(row["age_days"], "day")
        grid.add_row(f"  {row['source_id']}", age, row["agent_type_code"], row["shop_domain"])
    console.print(grid)


def _show_checks(console: Console, settings: "Settings") -> None:
    from harvey_pipeline.agents import SUBJECT

    failed = failed_checks(settings, [SUBJECT])[SUBJECT.name]
    say(console, Text("\nChecks that did not pass", style="bold"))
    for name in failed or ["none"]:
        say(console, f"  {name}")
    if failed:
        say(console, Text("In full: harvey checks --failed", style="dim"))
