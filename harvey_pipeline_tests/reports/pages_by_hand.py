"""Pages written by hand that hold every kind of block, with names that mean harm."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

import altair as alt
import polars as pl

from harvey_pipeline.reports import charts
from harvey_pipeline.reports.page import (
    Cell,
    Chapter,
    Chart,
    Column,
    Figure,
    Grid,
    Link,
    Missing,
    Page,
    Statement,
    Statements,
    Tile,
    Tiles,
    chart_note,
)

DAY: Final = date(2024, 6, 30)
TABLE: Final = "marts.daily_firm_usage_summary"

HOSTILE: Final = (
    "<script>window.hurt = 1</script>",
    "</script><script>window.hurt = 2</script>",
    '"><img src=x onerror="window.hurt = 3">',
    "' onmouseover='window.hurt = 4",
    "javascript:window.hurt=5",
    "]]>--><!-- {{ 6 * 7 }} {% raw %}",
    'O\'Neil & Söhne "GmbH"',
    "\u202emoc.live\u202c مرحبا بالعالم שלום",
    "line\nfeed\ttab\u2028separator",
    "../../../etc/passwd",
    "x" * 300,
)
FIRMS: Final = (*HOSTILE, *(f"firm_{number:02d}" for number in range(30)))
USER: Final = HOSTILE[2]

# Values that a float written short, or a number of JavaScript, would change.
EXACT: Final = (0.1 + 0.2, 1 / 3, 12345678901.125, 2**53 - 1, -0.0, 1e-9, 100.0)


def trend() -> dict[str, Any]:
    """Users a day of two tiers, the last day incomplete."""
    days = [DAY - timedelta(days=back) for back in range(30)]
    tiers = ["Power User", "Regular"]
    rows = [
        {"date": day, "tier": tier, "users": 10 + 3 * at + day.day}
        for day in days
        for at, tier in enumerate(tiers)
    ]
    lines = (
        alt.Chart(charts.ROWS)
        .mark_line()
        .encode(
            x=charts.day_axis(),
            y=alt.Y("users:Q", title="Users"),
            color=charts.coloured("tier", "Tier", tiers),
            tooltip=["date:T", "tier:N", "users:Q"],
        )
    )
    incomplete = pl.DataFrame({"date": [DAY], "reason": ["not delivered"]})
    return charts.finish(
        charts.over_days(lines, incomplete, days[-1], DAY), pl.DataFrame(rows).sort("date")
    )


def hostile_bars() -> dict[str, Any]:
    """A bar for each hostile name."""
    bars = (
        alt.Chart(charts.ROWS)
        .mark_bar()
        .encode(
            y=alt.Y("name:N", title="Name"),
            x=alt.X("conversations:Q", title="Conversations"),
            tooltip=["name:N", "conversations:Q"],
        )
    )
    rows = {"name": list(HOSTILE), "conversations": list(range(1, len(HOSTILE) + 1))}
    return charts.finish(bars, pl.DataFrame(rows))


def _key(firm: str) -> Mapping[str, str]:
    return {"date": str(DAY), "firm_id": firm}


def headlines() -> Tiles:
    """A figure of each kind, with the values that are hard to carry."""
    sparkline = charts.sparkline(
        pl.DataFrame({"date": [DAY - timedelta(days=1), DAY], "users": [41, 47]}), "users"
    )
    cell = Cell("marts.daily_event_summary", "wau", {"date": str(DAY)})
    exact = [
        Tile(
            f"Exact {at}",
            Figure(value, "number", Cell(TABLE, f"exact_{at}", {"date": str(DAY)})),
            "As it stands.",
        )
        for at, value in enumerate(EXACT)
    ]
    return Tiles(
        [
            Tile(
                "Weekly users",
                Figure(47, "count", cell),
                "Seven days.",
                ["+6 (+14.6 %)"],
                sparkline,
            ),
            Tile("Trend", Figure("Insufficient Data", "text"), "Of 30 days."),
            Tile("None", Figure(None, "number"), "Nothing to divide by."),
            Tile("Usual", Figure(False, "flag"), "Of the volume."),
            *exact,
        ]
    )


def firms_grid() -> Grid:
    """A row for each firm, seats falling where names rise; every fifth has no health."""
    columns = [
        Column("Firm"),
        Column("Seats", "count", "Seats that are paid for"),
        Column("Health", "percent"),
        Column("Last active", "date"),
        Column("Why"),
    ]
    rows = [
        [
            Link(firm, "firm", firm),
            Figure(1000 - 7 * at, "count", Cell(TABLE, "seats", _key(firm))),
            Figure(None if at % 5 == 0 else at / 7, "percent", Cell(TABLE, "health", _key(firm))),
            Figure(DAY - timedelta(days=at), "date", Cell(TABLE, "last_active", _key(firm))),
            "Adoption of 30 % is below 50 %, which makes it At Risk." if at % 3 else None,
        ]
        for at, firm in enumerate(FIRMS)
    ]
    return Grid("Firms by seats", columns, rows, "A row a firm.", left_out=1234, is_searchable=True)


def report() -> Page:
    """Every kind of block, a chapter that is absent, and hostile names wherever names may be."""
    name = HOSTILE[0]
    sentences = [
        Statement("Weekly users rose from 41 to 47.", "47 on 2024-06-30"),
        Statement(f"{name} fell to At Risk.", HOSTILE[1], Link(name, "firm", name)),
        Statement("14 active days earn 60 of 100.", link=Link(USER, "user", USER)),
        Statement("Left in May.", link=Link("nobody", "user", "nobody")),
    ]
    return Page(
        f"Report {name}",
        DAY,
        f"Lead {HOSTILE[2]}",
        [
            Chapter(
                "today",
                "Today",
                "Of 2024-06-29.",
                [
                    headlines(),
                    Statements("What changed", sentences, "Computed."),
                    Chart("Weekly users rose", trend(), "By tier.", "Lines.", chart_note(1)),
                    Chart(f"{name} leads", hostile_bars(), HOSTILE[1], f"Bars {HOSTILE[2]}"),
                    Missing("Moves", "No data for moves: nobody moved."),
                ],
            ),
            Chapter("firms", "Firms", "All of them.", [firms_grid()]),
            Chapter("empty", "Empty", "", [Grid("Nothing", [Column("Name")], [], "")]),
            Chapter("agents", "Agents", "", absent="No data for agents: it is not run."),
        ],
        [f"2024-06-30 is cut off {name}"],
    )


def firm_page(firm: str) -> Page:
    """A page that leads to a user's and to itself."""
    entry = Grid(
        "Users",
        [Column("User"), Column("Firm"), Column("Score", "number")],
        [[Link(USER, "user", USER), Link(firm, "firm", firm), Figure(56.7, "number")]],
        "Users of the firm.",
    )
    return Page(firm, DAY, "", [Chapter("users", "Users", "", [entry])])


def user_page() -> Page:
    """A page that leads to a firm's."""
    sentences = [Statement("Is of a firm.", link=Link(FIRMS[1], "firm", FIRMS[1]))]
    return Page(USER, DAY, "", [Chapter("score", "Score", "", [Statements("Why", sentences)])])
