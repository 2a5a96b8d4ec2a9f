"""`harvey sample`: synthetic drops."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvey_pipeline.cli.app import OK, Debug, UnusableError, refuse_address
from harvey_pipeline.cli.show import output, plural, say

if TYPE_CHECKING:
    from datetime import date

    from rich.progress import Progress, TaskID

_DAYS = 91
"""Days of a sample of which no number is given."""


def make_sample(
    users: Annotated[
        int | None, typer.Option(metavar="N", help="Users.", show_default="250")
    ] = None,
    firms: Annotated[
        int | None, typer.Option(metavar="N", help="Firms.", show_default="12")
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(metavar="N", help="Days, from 2024-04-01 on.", show_default="91"),
    ] = None,
    events_per_day: Annotated[
        int | None, typer.Option(metavar="N", help="Events a day, on average.", show_default="220")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Another seed gives other data.", show_default="7"),
    ] = None,
    dirty: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Share of broken rows, at most 0.1.", show_default="0.01"
        ),
    ] = None,
    parts: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Each daily drop is a folder of so many parts."),
    ] = None,
    out: Annotated[
        str, typer.Option(envvar="HARVEY_LANDING_DIR", metavar="DIR", help="Where to write.")
    ] = "data/landing",
    debug: Debug = False,
) -> int:
    """Make synthetic drops in a folder that holds none."""
    from rich.progress import Progress

    from harvey_pipeline.definitions import SUBJECTS, sources_of
    from harvey_pipeline.synthetic import split_drops

    refuse_address("--out", out)
    sizes = {"users": users, "firms": firms, "days": days, "events_per_day": events_per_day}
    given: dict[str, Any] = {**sizes, "seed": seed, "dirty": dirty}
    given = {name: value for name, value in given.items() if value is not None}
    console = output()
    try:
        # One that refuses does so before another has written anything.
        writers = {
            subject.name: subject.prepare_sample(Path(out), given)
            for subject in SUBJECTS
            if subject.prepare_sample is not None
        }
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            for name, write in writers.items():
                task = progress.add_task(f"Writing drops of {name}", total=days or _DAYS)
                made = write(partial(_advance, progress, task))
        if parts is not None:
            split_drops(Path(out), [source.name for source in sources_of(SUBJECTS)], parts)
    except (ValueError, OSError) as error:
        raise UnusableError(str(error)) from error
    count = plural(len(made.days), "day")
    say(console, f"{count} of drops, {made.first} to {made.last}, are in {Path(out)}.")
    return OK


def _advance(progress: "Progress", task: "TaskID", _day: "date") -> None:
    progress.advance(task)
