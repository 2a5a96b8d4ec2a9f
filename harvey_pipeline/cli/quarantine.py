"""`harvey quarantine`: what was rejected or repaired, and its records as files to be corrected."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich import box
from rich.table import Table as Grid
from rich.text import Text

from harvey_pipeline.cli.app import (
    OK,
    Debug,
    Group,
    LandingDir,
    UnusableError,
    WarehouseFile,
    refuse_address,
    unknown_name,
)
from harvey_pipeline.cli.show import first_of, listing_output, plural, say

if TYPE_CHECKING:
    from harvey_pipeline.landing.quarantine import Choice, Exported, Quarantined
    from harvey_pipeline.settings import Settings
    from harvey_pipeline.warehouse.warehouse import Warehouse

_LISTING: Final = "harvey quarantine list"
_NO_DAY: Final = "no day"
_LINES_NAMED: Final = 10

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
"""What would move the cursor or worse where it is printed."""

_Source = Annotated[
    str | None, typer.Option("--source", metavar="NAME", help="Records of this source.")
]
_Reason = Annotated[
    str | None,
    typer.Option("--reason", metavar="NAME", help="Records with this reason among theirs."),
]
_Day = Annotated[
    str | None, typer.Option("--day", metavar="DAY", help="The drop of one day, as YYYY-MM-DD.")
]
_From = Annotated[str | None, typer.Option("--from", metavar="DAY", help="Drops from this day on.")]
_To = Annotated[str | None, typer.Option("--to", metavar="DAY", help="Drops up to this day.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def list_reasons(
    source: _Source = None,
    day: _Day = None,
    first: _From = None,
    last: _To = None,
    reason: _Reason = None,
    is_json: _Json = False,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Count the records by source, day, action and reason, newest day first."""
    from harvey_pipeline.landing.quarantine import count_by_reason, count_records

    choice = _choose(source, day, first, last, reason)
    with _open_warehouse() as opened:
        total = count_records(opened, choice)
        counts = count_by_reason(opened, choice)
    if is_json:
        _print_json(
            records=total,
            counts=[
                {
                    "source": one.source,
                    "day": _iso(one.day),
                    "action": one.action,
                    "reason": one.reason,
                    "records": one.records,
                }
                for one in counts
            ],
        )
        return OK
    console = listing_output()
    if not counts:
        say(console, _nothing(choice))
        return OK
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("Source", "Day", "Action", "Reason"):
        grid.add_column(name, no_wrap=True)
    grid.add_column("Records", justify="right", no_wrap=True)
    for one in counts:
        told = [one.source, str(one.day or _NO_DAY), one.action, one.reason, f"{one.records:,}"]
        grid.add_row(*map(Text, told))
    console.print(grid)
    say(console, f"{plural(total, 'record')}; one with several reasons counts under each of them.")
    say(console, Text("Records: harvey quarantine show. As files: harvey quarantine export."))
    return OK


def show_records(
    source: _Source = None,
    day: _Day = None,
    first: _From = None,
    last: _To = None,
    reason: _Reason = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="NUMBER", help="At most so many records.")
    ] = 20,
    is_json: _Json = False,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Show records verbatim, each with its file, line and reasons, newest day first."""
    from harvey_pipeline.landing.quarantine import count_records, read_records

    choice = _choose(source, day, first, last, reason)
    with _open_warehouse() as opened:
        total = count_records(opened, choice)
        records = read_records(opened, choice, limit)
    if is_json:
        _print_json(records=total, shown=[_as_json(record) for record in records])
        return OK
    console = listing_output()
    if not records:
        say(console, _nothing(choice))
        return OK
    for record in records:
        head = f"{record.file}, line {record.line}"
        if _is_of_bulk(record):
            head += f", {record.day or _NO_DAY}"
        say(console, Text(f"{head}: {record.action}, {', '.join(record.reasons)}", style="bold"))
        # Neither wrapped nor styled, so that it can be copied as it is.
        typer.echo(f"  {_CONTROL.sub(lambda found: repr(found[0])[1:-1], record.record)}")
    hidden = total - len(records)
    if hidden:
        say(console, f"\n{len(records)} of {plural(total, 'record')}; {hidden:,} more with --limit")
    else:
        say(console, f"\n{plural(total, 'record')}.")
    return OK


def export(
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Folder that gets the files.")],
    source: _Source = None,
    day: _Day = None,
    first: _From = None,
    last: _To = None,
    reason: _Reason = None,
    is_repaired_wanted: Annotated[
        bool, typer.Option("--repaired", help="Repaired records too, not only rejected ones.")
    ] = False,
    landing_dir: LandingDir = None,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Write the rejected records as a landing folder of their own, to be corrected."""
    from harvey_pipeline.definitions import SUBJECTS, sources_of
    from harvey_pipeline.landing.quarantine import ExportError, export_records, read_records
    from harvey_pipeline.landing.records import LandingError
    from harvey_pipeline.settings import read_settings

    settings = read_settings()
    refuse_address("--out", out)
    folder = Path(out)
    if folder.resolve() == Path(settings.landing_dir).resolve():
        raise UnusableError(
            f"{out} is the landing folder: what is written there is a delivery. Name another one."
        )
    action = None if is_repaired_wanted else "rejected"
    choice = _choose(source, day, first, last, reason, action)
    with _open_warehouse() as opened:
        records = read_records(opened, choice)
    console = listing_output()
    if not records:
        say(console, _nothing(choice))
        return OK
    try:
        exported = export_records(sources_of(SUBJECTS), records, folder)
    except (ExportError, LandingError) as error:
        raise UnusableError(str(error)) from error
    for one in exported:
        for line in _told_file(one):
            say(console, line)
    say(console, "")
    for line in _what_next(exported, records, folder, settings):
        say(console, line)
    return OK


QUARANTINE: Final = Group(
    "What was rejected or repaired: count it, look at it, write it out to be corrected.",
    {"list": list_reasons, "show": show_records, "export": export},
)


# --- what is asked for ---------------------------------------------------------------------------


def _choose(
    source: str | None,
    day: str | None,
    first: str | None,
    last: str | None,
    reason: str | None,
    action: str | None = None,
) -> "Choice":
    from harvey_pipeline.definitions import SUBJECTS, sources_of
    from harvey_pipeline.landing.quarantine import Choice

    sources = sources_of(SUBJECTS)
    names = [one.name for one in sources]
    if source is not None and source not in names:
        raise unknown_name("source", source, names, _LISTING)
    reasons = list(dict.fromkeys(name for one in sources for name in one.reasons))
    if reason is not None and reason not in reasons:
        raise unknown_name("reason", reason, reasons, _LISTING)
    if day is not None and (first is not None or last is not None):
        raise UnusableError("--day is given with --from or --to. Give either the day or the range.")
    begin = _read_day("--day", day) if day is not None else _read_day("--from", first)
    until = begin if day is not None else _read_day("--to", last)
    if begin is not None and until is not None and until < begin:
        raise UnusableError(f"the range ends ({until}) before it starts ({begin}).")
    return Choice(source, begin, until, reason, action)


def _read_day(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UnusableError(f"{option} {text} is no day; give YYYY-MM-DD.") from None


@contextmanager
def _open_warehouse() -> Iterator["Warehouse"]:
    """The warehouse, which is neither made nor waited for, kept open within the block."""
    from harvey_pipeline.settings import read_settings
    from harvey_pipeline.warehouse.warehouse import Warehouse, WarehouseError, is_lock_conflict

    path = read_settings().warehouse
    if not path.exists():
        raise UnusableError(
            f"{path} does not exist: nothing was run yet. Run `harvey run`, or set "
            f"HARVEY_WAREHOUSE or --warehouse to the file that it wrote."
        )
    import duckdb

    opened = Warehouse(database=str(path), lock_timeout_seconds=0)
    try:
        with opened.kept_open():
            yield opened
    except WarehouseError as error:
        cause = error.__cause__
        if isinstance(cause, duckdb.Error) and is_lock_conflict(cause):
            raise UnusableError(
                f"{path} is in use by another process, and the quarantine stands only there. "
                f"Try again once the run is over, or once nobody else has the file open."
            ) from error
        raise UnusableError(str(error)) from error


# --- what is told --------------------------------------------------------------------------------


def _nothing(choice: "Choice") -> str:
    told = [
        f"of {choice.source}" if choice.source else "",
        f"from {choice.first} on" if choice.first and not choice.last else "",
        f"up to {choice.last}" if choice.last and not choice.first else "",
        f"from {choice.first} to {choice.last}" if choice.first and choice.last else "",
        f"with {choice.reason}" if choice.reason else "",
    ]
    what = "rejected" if choice.action == "rejected" else "in quarantine"
    return " ".join(filter(None, ["No record", *told])) + f" is {what}."


def _told_file(one: "Exported") -> Iterator[str]:
    yield f"{one.file}: {plural(one.records, 'record')} of {one.delivered_as}"
    if one.raw_lines:
        yield (
            f"  The fields of {_told_lines(one.raw_lines)} cannot be told apart: the line stands "
            f"in the column {one.raw_column}. Move its parts to their columns."
        )
    if one.altered_lines:
        yield f"  NUL bytes in {_told_lines(one.altered_lines)} are written as \ufffd."


def _told_lines(lines: Sequence[int]) -> str:
    word = "line" if len(lines) == 1 else "lines"
    return f"{word} {first_of([str(line) for line in lines], _LINES_NAMED)}"


def _what_next(
    exported: Sequence["Exported"],
    records: Sequence["Quarantined"],
    folder: Path,
    settings: "Settings",
) -> Iterator[str]:
    count = sum(one.records for one in exported)
    yield f"{plural(count, 'record')} in {plural(len(exported), 'file')} in {folder}."
    yield (
        "Correct them, then put each in the place of the original in the file that it came with, "
        f"in {settings.landing_dir}: a day has one drop, and a file that replaces it replaces all "
        "of its records."
    )
    if any(map(_is_of_bulk, records)):
        yield (
            "Records of a bulk export stand in one file, each once: their corrections belong "
            "into the export."
        )
    yield "Then run: harvey run"
    yield (
        "To try the corrections by themselves: "
        f"harvey run --landing-dir {folder} --warehouse {folder}-tried/warehouse.duckdb"
    )


def _is_of_bulk(record: "Quarantined") -> bool:
    return "/" not in record.file


def _as_json(record: "Quarantined") -> dict[str, Any]:
    return {
        "source": record.source,
        "day": _iso(record.day),
        "file": record.file,
        "line": record.line,
        "action": record.action,
        "reasons": list(record.reasons),
        "record": record.record if record.is_raw else record.fields,
    }


def _iso(day: date | None) -> str | None:
    return None if day is None else str(day)


def _print_json(**content: Any) -> None:
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
