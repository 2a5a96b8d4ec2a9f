"""`harvey timings`: how long each asset takes, and which have become slower."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from harvey_pipeline.cli.app import OK, DagsterHome, Debug, WarehouseFile
from harvey_pipeline.cli.home import find_recorded_runs
from harvey_pipeline.cli.show import columns_of, listing_output, plural, say

_MOST_DAYS = 365


def show_timings(
    days: Annotated[
        int, typer.Option("--days", min=1, max=_MOST_DAYS, help="So many days count as lately.")
    ] = 7,
    is_json_wanted: Annotated[bool, typer.Option("--json", help="Tell it as JSON.")] = False,
    warehouse: WarehouseFile = None,
    dagster_home: DagsterHome = None,
    debug: Debug = False,
) -> int:
    """Show how long each asset took in the last days, against the 28 days before them."""
    import dagster as dg

    from harvey_pipeline.definitions import SUBJECTS, steps_of_assets
    from harvey_pipeline.graph.timings import BEFORE_DAYS, find_timings
    from harvey_pipeline.settings import read_settings

    home = find_recorded_runs(read_settings())
    with dg.DagsterInstance.from_config(str(home)) as instance:
        found = find_timings(instance, steps_of_assets(SUBJECTS), datetime.now(UTC), days)
    if is_json_wanted:
        told = [asdict(one) | {"is_slower": one.is_slower} for one in found]
        typer.echo(json.dumps(told, indent=2))
        return OK
    console = listing_output()
    if not found:
        say(console, f"Nothing ran in the last {plural(days, 'day')}.")
        return OK
    grid = columns_of(6)
    grid.add_row("asset", "runs", "median", "slowest", f"{BEFORE_DAYS} days before", "")
    for one in found:
        old = one.median_before_seconds
        grid.add_row(
            one.asset,
            str(one.runs),
            f"{one.median_seconds:.1f} s",
            f"{one.slowest_seconds:.1f} s",
            "" if old is None else f"{old:.1f} s",
            Text("slower" if one.is_slower else "", style="yellow"),
        )
    console.print(grid)
    return OK
