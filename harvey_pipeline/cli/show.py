"""What is printed: consoles, the tables and lines at the end of a run, checks in a line."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harvey_pipeline.cli.disk_full import tells_of_full_disk, with_advice
from harvey_pipeline.cli.outcomes import (
    AssetProgress,
    FailedCheck,
    Failure,
    most_urgent_first,
)

if TYPE_CHECKING:
    import polars as pl

    from harvey_pipeline.subject import Headline

_PIPE_WIDTH: Final = 100
_LABEL_WIDTH: Final = 8
_CHECKS_SHOWN: Final = 8
_DAYS_NAMED: Final = 5
_TOLD_IN_FULL: Final = ("LandingError", "RawStoreError", "SettingsError", "WarehouseError")
"""Errors whose message says what to do."""

_SHORTEST_DESCRIPTION: Final = 16
"""What is left of a description in fewer columns says nothing."""


def output(file: Any = None) -> Console:
    """A console on stdout, or on a file: as wide as the terminal, and steady without one."""
    console = Console(file=file, highlight=False)
    if console.is_terminal:
        return console
    return Console(file=file, highlight=False, width=_PIPE_WIDTH)


def listing_output() -> Console:
    """A console on stdout for lists: wrapped at a terminal, a line for a line in a pipe."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=1_000)


def say(console: Console, text: str | Text) -> None:
    """Print a line, which wraps between words at a terminal and nowhere elsewhere."""
    told = Text(text) if isinstance(text, str) else text
    console.print(told, soft_wrap=not console.is_terminal)


def plural(count: int, noun: str) -> str:
    """A number with its noun."""
    return f"{count:,} {noun}" + "s" * (count != 1)


def first_of(names: Sequence[str], most: int) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def columns_of(count: int) -> Table:
    """A list whose names are never cut: its first columns stay whole, the last one wraps."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(count - 1):
        grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    return grid


# --- assets --------------------------------------------------------------------------------------


def asset_table(assets: Sequence[AssetProgress]) -> Table:
    """One line per asset: rows, seconds, and how its checks came out."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    longest = max((len(asset.name) for asset in assets), default=0)
    table.add_column("Asset", no_wrap=True, min_width=longest)
    for name in ("Rows", "Seconds", "Passed", "Warned", "Failed"):
        table.add_column(name, justify="right", no_wrap=True)
    for asset in assets:
        table.add_row(
            Text(asset.name, style="" if asset.state == "done" else "dim"),
            "-" if asset.rows is None else f"{asset.rows:,}",
            _shown_seconds(asset),
            _count(asset.passed, ""),
            _count(asset.warned, "yellow"),
            _count(asset.failed, "bold red"),
        )
    return table


def _shown_seconds(asset: AssetProgress) -> Text:
    if asset.state == "waiting":
        return Text("not run", style="dim")
    if asset.rows is None and asset.state == "failed":
        return Text("failed", style="bold red")
    return Text(f"{asset.seconds:.1f}")


def _count(number: int, style: str) -> Text:
    return Text(str(number), style=style) if number else Text("-", style="dim")


def asset_line(asset: AssetProgress, name_width: int = 0) -> str:
    """An asset of which nothing more will come, in one line."""
    name = asset.name.ljust(name_width)
    if asset.state == "waiting":
        return f"{name}  not run"
    if asset.rows is None:
        return f"{name}  {asset.state} after {asset.seconds:.1f} s"
    counts = {"passed": asset.passed, "warned": asset.warned, "failed": asset.failed}
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    rows = plural(asset.rows, "row")
    return f"{name} {rows:>15} {asset.seconds:7.1f} s  {told or 'not checked'}"


# --- checks and failures -------------------------------------------------------------------------


def label_of(check: FailedCheck) -> Text:
    """How bad it is that a check did not pass, in a word."""
    return label("WARN" if check.is_warning else "ERROR", is_blocking=check.is_blocking)


def label(severity: str, *, is_blocking: bool) -> Text:
    """A severity in a word, as wide as any other."""
    if severity == "WARN":
        return Text("warning".ljust(_LABEL_WIDTH), style="yellow")
    return Text(("blocking" if is_blocking else "error").ljust(_LABEL_WIDTH), style="bold red")


def check_lines(checks: Sequence[FailedCheck], width: int) -> list[Text]:
    """The checks that did not pass, a line each, the most urgent ones; and where the rest is."""
    lines = [check_line(check, width) for check in most_urgent_first(checks)[:_CHECKS_SHOWN]]
    hidden = len(checks) - len(lines)
    if hidden:
        lines.append(Text(f"and {hidden} more: harvey checks --failed"))
    elif lines:
        lines.append(Text("In full: harvey checks --failed", style="dim"))
    return lines


def check_line(check: FailedCheck, width: int) -> Text:
    """A failed check in one line: asset, name, its days, and what was found as far as it fits."""
    line = Text.assemble(label_of(check), f" {check.asset} {check.name}")
    days = _count_days(check)
    if days:
        line.append(f": {days}")
    if check.description:
        line.append(". " if days else ": ")
        left = width - line.cell_len
        if left < _SHORTEST_DESCRIPTION:
            line.right_crop(2)
        else:
            line.append(textwrap.shorten(check.description, left, placeholder=" …"))
    return line


def _count_days(check: FailedCheck) -> str:
    """How many days, and the newest of them."""
    if check.day_count <= 1 or not check.days:
        return ", ".join(check.days) or (plural(check.day_count, "day") if check.day_count else "")
    return f"{check.day_count} days, last {check.newest_day}"


def name_days(check: FailedCheck) -> str:
    """The days on which a check failed, the newest of those known first."""
    named = sorted(check.days, reverse=True)[:_DAYS_NAMED]
    more = check.day_count - len(named)
    if not named:
        return plural(more, "day") if more else ""
    return ", ".join(named) + (f" and {plural(more, 'more day')}" if more else "")


def describe_failure(failure: Failure) -> Text:
    """A failed step in one line."""
    word = Text("failed".ljust(_LABEL_WIDTH), style="bold red")
    if failure.kind in _TOLD_IN_FULL:
        return Text.assemble(word, f" {failure.where}: {failure.message}")
    if tells_of_full_disk(failure.message):
        return Text.assemble(word, f" {failure.where}: {with_advice(failure.message)}")
    told = f"{failure.kind}: {failure.message}".rstrip(".")
    return Text.assemble(word, f" {failure.where}: {told}. Add --debug to see where it comes from.")


# --- headline -----------------------------------------------------------------------------------

_PERCENT: Final = ("_percent", "_rate", "_retention", "stickiness")
_GROUP_WIDTH: Final = 36


def headline_table(groups: Mapping[str, Mapping[str, str]], row: Mapping[str, Any]) -> Table:
    """A row's figures by group, two groups side by side; of each figure its label and column."""
    grid = Table.grid(padding=(0, 4))
    shown = [_headline_group(name, columns, row) for name, columns in groups.items()]
    for start in range(0, len(shown), 2):
        grid.add_row(*shown[start : start + 2])
        grid.add_row()
    return grid


def unusual_volume(
    headline: "Headline", rows: "pl.DataFrame", last: Mapping[str, Any]
) -> Text | None:
    """That the last day run is not usual, with its volume and the usual one; None if it is.

    `rows` are those of the headline's table, up to that day, and `last` is the last of them.
    """
    volume, day_column = headline.volume, headline.table.day_column
    if volume is None or day_column is None or last[volume.usual] is not False:
        return None
    day = last[day_column]
    told = f"{day}, the last day run, has {plural(last[volume.count], volume.noun)}"
    expected = volume.expect(rows, day)
    if expected is not None:
        told += f", where {expected:,.1f}".removesuffix(".0") + " are usual"
    return Text(f"{told}.", style="yellow")


def _headline_group(name: str, columns: Mapping[str, str], row: Mapping[str, Any]) -> Table:
    table = Table(box=None, width=_GROUP_WIDTH, pad_edge=False, padding=0)
    table.add_column(name, no_wrap=True, ratio=1, header_style="bold cyan")
    table.add_column("", justify="right", no_wrap=True)
    for label, column in columns.items():
        table.add_row(label, Text(_shown_figure(column, row[column])))
    return table


def _shown_figure(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if column.endswith(_PERCENT):
        return f"{value:,.1f} %"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
