"""What the parts of the chapter of segments are made of."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import altair as alt
import polars as pl

from harvey_pipeline.reports import charts
from harvey_pipeline.reports.figures import Figures, figure_of
from harvey_pipeline.reports.page import (
    Chart,
    Entry,
    Link,
    Missing,
    Unit,
)
from harvey_pipeline.segments.tables.labels import SEGMENTS as _SEGMENTS
from harvey_pipeline.warehouse.table import Table

MOST_ROWS: Final = 50
MOST_BARS: Final = 12
"""Tenants, and kinds of interventions, of a chart."""

HIGHEST_FIRST: Final = tuple(reversed(_SEGMENTS))
RISK_COLOURS: Final = (charts.VERMILION, charts.ORANGE, charts.SKY, charts.BLUE)
"""Of `CHURN_RISKS`, which begin with the highest."""

ESTIMATED: Final = (
    "All of it is estimated: hours and costs are assumptions of the catalogue of rules, an hour "
    "has a set value, and a fifth of the casual users in use is counted as made regular. Only the "
    "cost of licences and seats is delivered."
)

Row = Mapping[str, Any]


def missing(title: str, why: str) -> Missing:
    """Stands for a block that would be empty; `why` has no full stop."""
    return Missing(title, f"No data for {title.lower()}: {why}.")


def rows_of(figures: Figures, table: Table, query: str, **parameters: Any) -> list[dict[str, Any]]:
    """What a query gives; nothing where its table was never computed."""
    if str(table) not in figures.tables:
        return []
    return figures.rows(query, **parameters).to_dicts()


def cells_of(row: Row, columns: Mapping[str, Unit], table: Table, *key: str) -> list[Entry]:
    """Cells of a row as they stand, one after the other."""
    return [figure_of(row, name, unit, str(table), *key) for name, unit in columns.items()]


def bars(
    rows: Sequence[Row],
    y: tuple[str, str],
    x: tuple[str, str, str],
    colour: alt.Color,
    finding: str,
    definition: str,
    note: str = "",
) -> Chart:
    """Horizontal bars in the order of the rows, stacked where a label has several.

    Args:
        rows: With the columns of `y`, `x` and `colour`.
        y: Column of the labels, and the axis' title.
        x: Column of the values, the axis' title, and how they are written.
        colour: What is told apart by colour.
        finding: The title.
        definition: What is counted.
        note: What is not drawn.
    """
    df = pl.DataFrame(rows, infer_schema_length=None)
    (label, label_title), (value, value_title, spelled) = y, x
    shade = str(colour.shorthand).removesuffix(":N")
    chart = (
        alt.Chart(charts.ROWS)
        .mark_bar()
        .encode(
            x=alt.X(
                f"{value}:Q",
                title=value_title,
                axis=alt.Axis(
                    format=spelled,
                    tickCount=5,
                    tickMinStep=1,
                    labelOverlap="greedy",
                    labelSeparation=8,
                ),
            ),
            y=alt.Y(f"{label}:N", title=label_title, sort=None, axis=alt.Axis(labelLimit=140)),
            color=colour,
            tooltip=[
                alt.Tooltip(f"{label}:N", title=label_title),
                alt.Tooltip(f"{shade}:N", title=str(colour.title)),
                alt.Tooltip(f"{value}:Q", title=value_title, format=spelled),
            ],
        )
    )
    height = 90 + 26 * df[label].n_unique()
    return Chart(
        finding,
        charts.finish(chart, df.select(label, shade, value), height=height),
        definition,
        f"Horizontal bars: {value_title} by {label_title.lower()}, coloured by "
        f"{str(colour.title).lower()}.",
        note,
    )


def tenant_link(row: Row) -> Link:
    """The page of a tenant, which is a firm."""
    return Link(row["tenant_id"], "firm", row["tenant_id"])
