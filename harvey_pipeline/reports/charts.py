"""How charts look: colours that everybody can tell apart, axes, and the two themes.

Charts are made by Altair over a data source named `rows`, so that one spec serves many pages:
`finish` makes the spec, with its rows.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import altair as alt
import polars as pl

ROWS: Final = alt.NamedData(name="rows")
"""The data of every chart: `alt.Chart(ROWS)`; encodings say their types, such as `date:T`."""

DAY: Final = alt.Tooltip("date:T", title="Day", format="%Y-%m-%d")
"""What a tooltip says of the column `date`."""

HEIGHT: Final = 260
"""Pixels; the width is that of the page."""

# Okabe and Ito's colours, which people with any colour vision tell apart.
BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
GREEN: Final = "#009E73"
PINK: Final = "#CC79A7"
SKY: Final = "#56B4E9"
VERMILION: Final = "#D55E00"
GREY: Final = "#8A8F98"
COLOURS: Final = (BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, GREY)

# From best to worst.
GRADES: Final = (BLUE, SKY, GREY, ORANGE, VERMILION)

SEQUENTIAL: Final = "viridis"
"""Name of the colour scheme of heat maps."""


def _theme(text: str, faint: str, background: str) -> dict[str, Any]:
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
    return {
        "background": background,
        "font": font,
        "view": {"stroke": None},
        "axis": {
            "labelColor": text,
            "titleColor": text,
            "gridColor": faint,
            "domainColor": faint,
            "tickColor": faint,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
        },
        "legend": {
            "labelColor": text,
            "titleColor": text,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "orient": "top",
            "labelLimit": 240,
            "symbolBaseFillColor": GREY,
            "symbolBaseStrokeColor": GREY,
        },
        "text": {"color": text, "fontSize": 12},
        "rule": {"color": text},
        "mark": {"color": BLUE},
        "range": {"category": list(COLOURS)},
        "line": {"strokeWidth": 2.5},
    }


THEMES: Final[Mapping[str, Mapping[str, Any]]] = {
    "light": _theme("#1f2328", "#d8dce2", "#ffffff"),
    "dark": _theme("#e6e8eb", "#3a3f47", "#16181d"),
}
"""Vega-Lite configurations by the page's theme."""


def data_rows(df: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as a spec holds them: days at midnight of whoever looks, so that none shifts."""
    return [
        {name: _plain(value) for name, value in row.items()} for row in df.iter_rows(named=True)
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return f"{value}T00:00:00" if isinstance(value, date) else value


def finish(
    chart: alt.Chart | alt.LayerChart, df: pl.DataFrame, *, height: int = HEIGHT
) -> dict[str, Any]:
    """The spec of a chart over `rows`, as wide as its page, with its rows."""
    # Altair's look at every part against its schema takes most of the time; tests have another one.
    spec: dict[str, Any] = chart.properties(width="container", height=height).to_dict(
        validate=False
    )
    spec.pop("config", None)
    spec["autosize"] = {"type": "fit", "contains": "padding"}
    return with_rows(spec, df)


def with_rows(spec: Mapping[str, Any], df: pl.DataFrame) -> dict[str, Any]:
    """A spec with other rows: charts of many pages are made once."""
    return {**spec, "datasets": {**spec.get("datasets", {}), "rows": data_rows(df)}}


def day_axis(title: str = "Day (UTC)") -> alt.X:
    """A horizontal axis of days, of the column `date`."""
    return alt.X("date:T", title=title, axis=alt.Axis(format="%d %b", labelOverlap=True))


def coloured(
    column: str, title: str, values: Sequence[str], colours: Sequence[str] = COLOURS
) -> alt.Color:
    """Colours of a column's values in a fixed order, the same in every chart."""
    return alt.Color(
        f"{column}:N",
        title=title,
        sort=list(values),
        scale=alt.Scale(domain=list(values), range=list(colours[: len(values)])),
    )


def over_days(
    chart: alt.Chart | alt.LayerChart, incomplete: pl.DataFrame, first: date, last: date
) -> alt.LayerChart:
    """A chart over days with grey bands behind the days that are not complete.

    `incomplete` has `date` and `reason` (`Figures.incomplete_days`); those from `first` to `last`
    are marked.
    """
    shown = incomplete.filter(pl.col("date").is_between(first, last)).with_columns(
        end=pl.col("date").dt.offset_by("1d")
    )
    bands = (
        alt.Chart(alt.InlineData(values=data_rows(shown)))
        .mark_rect(color=GREY, opacity=0.25)
        .encode(
            x=alt.X("date:T", title="Day (UTC)", axis=alt.Axis(format="%d %b", labelOverlap=True)),
            x2="end:T",
            tooltip=[
                alt.Tooltip("date:T", title="Incomplete day", format="%Y-%m-%d"),
                alt.Tooltip("reason:N", title="Why"),
            ],
        )
    )
    # Vega warns of axes over nothing.
    return alt.LayerChart(layer=[chart] if shown.is_empty() else [bands, chart])


def sparkline(df: pl.DataFrame, column: str) -> dict[str, Any]:
    """A line of the last days without axes; `df` has `date` and the column."""
    chart = (
        alt.Chart(ROWS)
        .mark_line(color=BLUE, strokeWidth=1.5)
        .encode(
            x=alt.X("date:T", axis=None),
            y=alt.Y(f"{column}:Q", axis=None, scale=alt.Scale(zero=False)),
            tooltip=[
                DAY,
                alt.Tooltip(f"{column}:Q", title=column, format=",.4~f"),
            ],
        )
    )
    return finish(chart, df.select("date", column), height=40)
