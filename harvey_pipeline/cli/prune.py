"""`harvey prune`: remove recorded runs that say nothing any more."""

from collections.abc import Mapping
from typing import Annotated

import typer

from harvey_pipeline.cli.app import OK, DagsterHome, Debug, UnusableError, WarehouseFile
from harvey_pipeline.cli.home import find_recorded_runs
from harvey_pipeline.cli.show import listing_output, plural, say


def prune_runs(
    is_dry: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed.")
    ] = False,
    warehouse: WarehouseFile = None,
    dagster_home: DagsterHome = None,
    debug: Debug = False,
) -> int:
    """Remove Dagster's records of runs whose partitions and checks were all run again since."""
    import dagster as dg

    from harvey_pipeline.graph.pruning import PruningError, find_prunable, prune, size_of
    from harvey_pipeline.settings import read_settings

    home = find_recorded_runs(read_settings())
    console = listing_output()
    before = size_of(home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        try:
            found = find_prunable(instance)
        except PruningError as error:
            raise UnusableError(str(error)) from error
        for run in found.superseded:
            verb = "Would remove" if is_dry else "Removing"
            say(console, f"{verb} {run.run_id}: {run.job_name}, {_told_days(run.tags)}")
        if not is_dry:
            prune(instance, found.superseded)
    count = plural(len(found.superseded), "run")
    if is_dry:
        say(console, f"{count} superseded, {found.kept} kept, of {_megabytes(before)} in {home}.")
    else:
        say(
            console,
            f"{count} removed, {found.kept} kept; {home} went from {_megabytes(before)} to "
            f"{_megabytes(size_of(home))}.",
        )
    return OK


def _told_days(tags: Mapping[str, str]) -> str:
    from harvey_pipeline.graph.partitions import days_of_tags

    days = days_of_tags(tags)
    return "no days" if days is None else str(days)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
