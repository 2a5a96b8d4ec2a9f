"""What a page is made of, before anything is HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal

Unit = Literal[
    "count", "number", "score", "percent", "usd", "days", "seconds", "date", "text", "flag"
]
Value = float | int | str | bool | date | datetime | None

_NONE: Final = "–"
_LONGER: Final = ((172_800, 86_400, "days"), (7_200, 3_600, "h"), (120, 60, "min"))
"""From how many seconds on, by how many a duration is told in a longer unit, and its name."""


def shown(value: Value, unit: Unit) -> str:
    """A value as it is read: `1,234`, `56.7 %`, `$12,000`; a dash where there is none.

    Scores from 0 to 1, and what else is told apart by small differences, have three decimals.
    """
    if value is None:
        return _NONE
    match unit:
        case "count" | "days":
            return f"{value:,.0f}"
        case "number":
            return f"{value:,.1f}"
        case "seconds":
            assert isinstance(value, int | float)
            longer = ((value / size, name) for least, size, name in _LONGER if value >= least)
            amount, name = next(longer, (value, "s"))
            return f"{amount:,.1f} {name}"
        case "score":
            return f"{value:,.3f}"
        case "percent":
            return f"{value:,.1f} %"
        case "usd":
            return f"${value:,.0f}"
        case "flag":
            return "yes" if value else "no"
        case "date" | "text":
            return str(value)


@dataclass(frozen=True)
class Cell:
    """Where a figure stands: a column of a table's row, so that who doubts it can look."""

    table: str
    column: str
    key: Mapping[str, str]
    """The row's key; dates as YYYY-MM-DD."""


@dataclass(frozen=True)
class Figure:
    """A value, how it is written, and the cell that it is taken from as it stands."""

    value: Value
    unit: Unit = "count"
    cell: Cell | None = None

    def __str__(self) -> str:
        return shown(self.value, self.unit)


@dataclass(frozen=True)
class Link:
    """The page of a firm or a user, where there is one; else the text alone."""

    text: str
    kind: Literal["firm", "user"]
    id: str


Entry = Figure | Link | str | None


@dataclass(frozen=True)
class Tile:
    """A headline figure, its change, and how it came there.

    Changes are sentences such as `+12 (+8.3 %) in 7 days`; a sparkline is a chart's spec.
    """

    label: str
    figure: Figure
    definition: str
    changes: Sequence[str] = ()
    sparkline: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Tiles:
    """Headline figures side by side."""

    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite spec below what it shows.

    Args:
        finding: What there is to see, as a sentence with its figures: the title.
        spec: Vega-Lite, without title and colours of the page; see `charts.finish`.
        definition: What is counted, in which window, from which table: one click away.
        description: The same for who cannot see it: what is drawn over what.
        note: What is incomplete, if anything is.
    """

    finding: str
    spec: Mapping[str, Any]
    definition: str
    description: str
    note: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a grid."""

    title: str
    unit: Unit = "text"
    description: str = ""


@dataclass(frozen=True)
class Grid:
    """Rows below a header; sorts by every column, and is searched where it is long.

    `left_out` is how many rows more there are than are shown.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Entry]]
    definition: str
    left_out: int = 0
    is_searchable: bool = False


@dataclass(frozen=True)
class Statement:
    """A sentence that was computed, and the figures that it rests on."""

    sentence: str
    evidence: str = ""
    link: Link | None = None


@dataclass(frozen=True)
class Statements:
    """Sentences below a heading."""

    title: str
    statements: Sequence[Statement]
    definition: str = ""


@dataclass(frozen=True)
class Missing:
    """Stands where a block would be empty: a sentence that begins with `No data for`."""

    title: str
    reason: str


Block = Tiles | Chart | Grid | Statements | Missing


@dataclass(frozen=True)
class Chapter:
    """A part of a page: a heading, a sentence that says what is in it, and blocks."""

    key: str
    """Its anchor: letters and hyphens."""
    title: str
    lead: str
    blocks: Sequence[Block] = ()
    absent: str = ""
    """Why there is nothing of it, in one line; then it has no blocks."""


@dataclass(frozen=True)
class Page:
    """One HTML page: of the report, of a firm or of a user."""

    title: str
    day: date
    """The last day that it shows."""
    lead: str
    chapters: Sequence[Chapter]
    notes: Sequence[str] = field(default_factory=tuple)
    """What has to be known before anything is read, such as a last day that is cut off."""


def chart_note(incomplete: int) -> str:
    """Says that grey days of a chart over time are not complete."""
    if not incomplete:
        return ""
    days = "day is" if incomplete == 1 else "days are"
    return f"{incomplete} {days} grey: not delivered, or of an unusual volume."
