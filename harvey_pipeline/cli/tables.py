"""`harvey tables`: which tables and views there are, and what stands in them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table as Grid
from rich.text import Text

from harvey_pipeline.cli.app import OK, Debug, unknown_name
from harvey_pipeline.cli.show import columns_of, listing_output, say

if TYPE_CHECKING:
    from harvey_pipeline.warehouse.table import Table
    from harvey_pipeline.warehouse.view import View


def list_tables(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A table or view (`marts.power_curve`) or a schema (`marts`); else all of them."
        ),
    ] = None,
    debug: Debug = False,
) -> int:
    """Show the tables and views, or the columns and checks of one."""
    from harvey_pipeline.definitions import SUBJECTS, tables_of, views_of

    tables = tables_of(SUBJECTS)
    views = {view.name: view for view in views_of(SUBJECTS)}
    described = {one: table.description for one, table in tables.items()}
    described |= {one: view.description for one, view in views.items()}
    console = listing_output()
    if name is not None and name in described:
        for part in _describe(tables[name]) if name in tables else _describe_view(views[name]):
            console.print(part)
        return OK
    schemas = list(dict.fromkeys(one.partition(".")[0] for one in described))
    if name is not None and name not in schemas:
        raise unknown_name("table or schema", name, [*described, *schemas], "harvey tables")
    for number, schema in enumerate(schemas if name is None else [name]):
        say(console, Text("\n" * bool(number)).append(schema, style="bold cyan"))
        grid = columns_of(2)
        for one, description in described.items():
            if one.startswith(f"{schema}."):
                grid.add_row(one, Text(description))
        console.print(grid)
    if name is None:
        say(console, Text("\nColumns and checks of one: harvey tables NAME", style="dim"))
    return OK


def _describe_view(view: "View") -> Iterator[Text | Grid]:
    yield Text(view.name, style="bold cyan")
    yield Text(view.description)
    yield Text(f"A view, computed when it is asked for, over {', '.join(map(str, view.reads))}.")
    yield Text("\nColumns", style="bold")
    grid = columns_of(2)
    for column, told in view.columns.items():
        grid.add_row(column, Text(told))
    yield grid


def _describe(table: "Table") -> Iterator[Text | Grid]:
    from harvey_pipeline.cli.checks import checks_of, grid_of_checks
    from harvey_pipeline.reference import stored_types

    yield Text(table.name, style="bold cyan")
    yield Text(table.description)
    yield Text(f"Key: {', '.join(table.key) or 'none'}.")
    yield Text("\nColumns", style="bold")
    grid = columns_of(4)
    described = table.schema.columns()
    for column, kind in stored_types(table).items():
        is_nullable = described[column].nullable
        role = "key" if column in table.key else "nullable" if is_nullable else ""
        told = Text((described[column].description or "").strip())
        labels = getattr(table.polars_schema[column], "categories", None)
        if labels is not None:
            told.append(f" One of: {', '.join(labels)}.", style="dim")
        grid.add_row(column, kind, Text(role, style="dim"), told)
    yield grid
    checks = checks_of(table.name)
    yield Text("\nChecks", style="bold")
    yield grid_of_checks(checks) if checks else Text("None: what writes the table is checked.")
