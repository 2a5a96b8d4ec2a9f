"""A subject's reference page, in Markdown, made from what it declares.

Sources, reasons, tables and checks are looked up there; a reader who wants to know first what they
are about reads the subject's guide, which the page opens with. What every subject has in common
(what a drop is, reasons that no column gives) is worded here once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import polars as pl

from harvey_pipeline.checks.plan import CheckPlan
from harvey_pipeline.checks.report import REPAIR_HINT, Check
from harvey_pipeline.graph.assets import Reads, TableAsset
from harvey_pipeline.landing.ledger import DROPS, QUARANTINE
from harvey_pipeline.landing.source import (
    BEFORE_START_DATE,
    COVERED_BY_BULK,
    CREATED_AFTER_DROP,
    DUPLICATE_EVENT_ID,
    NOT_AN_OBJECT,
    SUPERSEDED,
    TOO_LATE,
    WRONG_FIELD_COUNT,
    Column,
    Consequence,
    Kind,
    Source,
)
from harvey_pipeline.subject import Subject
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import table_ddl

_DROP: Final[Mapping[Kind, str]] = {
    "snapshot": "all that there are on that day",
    "events": "what happened on that day",
    "changes": "what was created or changed on that day",
}
_REPEATS: Final[Mapping[Kind, str]] = {
    "snapshot": "Of records with the same key in one drop one stands: {latest}the last in the "
    "file.",
    "events": "Of records with the same key in one drop the first stands; of two drops that bring "
    "the same key for one date the earlier one counts.",
    "changes": "Of records with the same key in one drop the last stands; of several drops the "
    "latest delivery counts.",
}
_MEANINGS: Final[Mapping[str, str]] = {
    WRONG_FIELD_COUNT: "The record has another number of fields than the header, or its quotes do "
    "not balance.",
    NOT_AN_OBJECT: "The line is no JSON object.",
    CREATED_AFTER_DROP: "The record is dated after the day of its drop.",
    BEFORE_START_DATE: "The record is dated before the calendar starts.",
    TOO_LATE: "The record is dated before the late window of its drop.",
    COVERED_BY_BULK: "The record is late, and the bulk export covers the day of its date.",
    SUPERSEDED: "Another record of the drop with the same key stands.",
    DUPLICATE_EVENT_ID: "An earlier record of the drop with the same key stands.",
}
"""Reasons that no column gives, and what each says."""

_AGAIN: Final = "run again"
"""What stands for the advice that most checks give."""


@dataclass(frozen=True)
class Reason:
    """Why records are quarantined, for all sources that it says the same of."""

    name: str
    action: str
    sources: tuple[str, ...]
    meaning: str


def reference_page(
    subject: Subject, plans: Sequence[CheckPlan], tables: Mapping[str, Table]
) -> str:
    """The page of a subject.

    Args:
        subject: Whose page it is.
        plans: The checks of its tables; those of others are left out.
        tables: All tables by name.
    """
    shown = tables_of_page(subject, tables)
    checks = {plan.table.name: plan.checks for plan in plans}
    parts = [
        f"# {subject.name.replace('_', ' ').capitalize()}",
        subject.title,
        "This page is made by `harvey docs` from what the code declares"
        + (f", and opens with `{subject.guide.name}`." if subject.guide else "."),
    ]
    if subject.guide is not None:
        parts.append(subject.guide.read_text(encoding="utf-8").strip())
    parts += ["## Sources", *_sources(subject.sources)]
    parts += ["## Reasons in quarantine", *_reasons(subject.sources)]
    parts += ["## Tables", *_overview(shown)]
    if subject.state_tables:
        named = _listed(_code(table.name) for table in subject.state_tables)
        parts.append(f"{named} are the pipeline's own memory of its dimensions.")
    computed = {asset.table.name: asset for asset in subject.table_assets}
    for table in shown:
        parts += _described(table, computed.get(table.name), checks.get(table.name, ()))
    if subject.views:
        parts += ["## Views", "They are computed when they are asked for."]
    for view in subject.views:
        parts += [f"### {_code(view.name)}", view.description]
        parts.append(
            _grid(
                ("Column", "Meaning"), ((_code(name), told) for name, told in view.columns.items())
            )
        )
    return "\n\n".join(parts) + "\n"


def tables_of_page(subject: Subject, tables: Mapping[str, Table]) -> list[Table]:
    """The tables that a subject's page describes: its own, raw ones and the ledger's among them."""
    own = {table.name for table in (*subject.raw_tables, DROPS, QUARANTINE, *subject.tables)}
    return [table for name, table in tables.items() if name in own]


def reasons_of(sources: Sequence[Source]) -> list[Reason]:
    """Why records of some sources are quarantined, in the order in which records list them."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for source in sources:
        of_columns = {
            reason: meaning for column in source.columns for reason, meaning in _said_by(column)
        }
        for name in source.reasons:
            action = "repaired" if name in source.repairs else "rejected"
            meaning = of_columns.get(name) or _MEANINGS[name]
            found.setdefault((name, action, meaning), []).append(source.name)
    return [
        Reason(name, action, tuple(named), meaning)
        for (name, action, meaning), named in found.items()
    ]


def _said_by(column: Column) -> Iterator[tuple[str, str]]:
    """The reasons that a column gives, each with its meaning."""
    delivered = _code(column.delivered)
    yield column.missing_reason, f"{delivered} is blank, a written null or not there."
    yield column.unusable_reason, f"{delivered} holds what its column does not accept."
    if column.misdated_reasons is not None:
        before, after = column.misdated_reasons
        yield before, f"{delivered} lies before {_code(column.follows or '')}."
        yield after, f"{delivered} lies after the day of its drop."


# --- sources -------------------------------------------------------------------------------------


def _sources(sources: Sequence[Source]) -> Iterator[str]:
    yield (
        "How files are named and read is the same for all sources: see the "
        "[landing contract](../../README.md#landing-contract)."
    )
    for source in sources:
        yield f"### Source {_code(source.name)}"
        yield "\n".join(f"- {line}" for line in _contract(source))
        yield _grid(
            ("Delivered", "Stored as", "Accepted", "In header", "Missing", "Unusable", "Meaning"),
            (_column_row(column) for column in source.columns),
        )


def _contract(source: Source) -> Iterator[str]:
    drop, bulk = f"{source.name}/<YYYY-MM-DD>.csv", f"{source.name}.csv"
    held = f"{_DROP[source.kind]}{_late(source)}"
    yield f"A drop, {_code(drop)}, holds {held}. {_shown(source, bulk)}"
    key = _listed(
        _code(name) + ("" if _is_always_there(source, name) else " (where it is delivered)")
        for name in source.key
    )
    latest = f"the one with the latest {_code(source.at)}, then " if source.at else ""
    yield f"Key: {key}. {_REPEATS[source.kind].format(latest=latest)}"
    yield (
        "Optional: without its files the tables that read it are empty."
        if source.is_optional
        else "Expected every day: a day without it is reported."
    )
    yield f"Accepted records stand in {_link(source.table.name)}."


def _late(source: Source) -> str:
    if source.is_snapshot or not source.late_days:
        return ""
    return f", and late records of up to {_days(source.late_days)} before"


def _shown(source: Source, bulk: str) -> str:
    at = _code(source.at or "")
    if source.at is None:
        shown = "every day shows all of it"
    elif source.is_snapshot:
        shown = f"a day shows the records whose {at} is not after it"
    else:
        shown = f"a day shows the records whose {at} lies on it"
    return f"Of a bulk export, {_code(bulk)}, {shown}."


def _is_always_there(source: Source, name: str) -> bool:
    return all(column.is_required for column in source.columns if column.name == name)


def _column_row(column: Column) -> tuple[str, ...]:
    unusable = _consequence(column.unusable, column.unusable_reason)
    return (
        _code(column.delivered),
        _code(column.name),
        column.reader.means,
        "required" if column.is_required else "optional",
        _consequence(column.missing, column.missing_reason),
        unusable if column.can_be_unusable else "",
        column.description,
    )


def _consequence(consequence: Consequence, reason: str) -> str:
    if consequence == "keep":
        return "accepted as null"
    if consequence == "repair":
        return f"accepted as null, repaired: {_code(reason)}"
    return f"rejected: {_code(reason)}"


def _reasons(sources: Sequence[Source]) -> Iterator[str]:
    yield (
        f"A record in {_link(QUARANTINE.name)} lists every reason that applies. A rejected record "
        "is kept there only, a repaired one is accepted without the field."
    )
    yield _grid(
        ("Reason", "Sources", "Action", "Meaning"),
        (
            (_code(one.name), ", ".join(one.sources), one.action, one.meaning)
            for one in reasons_of(sources)
        ),
    )


# --- tables --------------------------------------------------------------------------------------


def _overview(tables: Sequence[Table]) -> Iterator[str]:
    yield _grid(
        ("Table", "Description"), ((_link(table.name), table.description) for table in tables)
    )
    yield (
        "Dates and times are UTC. Key columns are bold. Of checks, *blocking* means that nothing "
        f"that reads the table is computed where the check fails, and *{_AGAIN}* stands for: "
        f"{REPAIR_HINT[0].lower()}{REPAIR_HINT[1:]}"
    )


def _described(table: Table, asset: TableAsset | None, checks: Sequence[Check]) -> Iterator[str]:
    yield f"### {_code(table.name)}"
    yield f"{table.description} {' '.join(_facts(table, asset))}".strip()
    columns = table.schema.columns()
    yield _grid(
        ("Column", "Type", "Null", "Meaning"),
        (
            (
                f"**{_code(name)}**" if name in table.key else _code(name),
                kind,
                "yes" if columns[name].nullable else "",
                f"{(columns[name].description or '').strip()}{_labels(table, name)}",
            )
            for name, kind in stored_types(table).items()
        ),
    )
    if checks:
        yield _grid(("Check", "Severity", "Asserts", "If it fails"), map(_check_row, checks))


def _facts(table: Table, asset: TableAsset | None) -> Iterator[str]:
    yield f"Key: {_listed(map(_code, table.key)) or 'none'}."
    if table.day_column is not None:
        partition = "a calendar month" if table.is_monthly else "a day"
        yield f"A partition is {partition}, by {_code(table.day_column)}."
    if asset is not None and asset.upstream:
        unit = "month" if table.is_monthly else "day"
        read = [_read(one, unit) for one in asset.upstream]
        if asset.ledger_of:
            read.append(f"what {_code(DROPS.name)} and {_code(QUARANTINE.name)} say of its sources")
        read.extend(f"what {_code(one.name)} holds of its days" for one in asset.beside)
        yield f"Computed from {_listed(read)}."


def _read(one: Reads, unit: str) -> str:
    windows = [
        _days(count, unit) + f" {where}"
        for count, where in ((one.before, "before"), (one.after, "after"))
        if count
    ]
    return _code(one.table) + (f" (with {' and '.join(windows)})" if windows else "")


def _labels(table: Table, column: str) -> str:
    dtype = table.polars_schema[column]
    if not isinstance(dtype, pl.Enum):
        return ""
    return f" One of: {', '.join(dtype.categories)}."


def _check_row(check: Check) -> tuple[str, ...]:
    severity = check.severity.value + (", blocking" if check.is_blocking else "")
    advice = f"*{_AGAIN}*" if check.advice == REPAIR_HINT else check.advice
    asserts = " ".join(
        (check.description, *(f"{_code(rule)}: {told}" for rule, told in check.rules.items()))
    )
    return _code(check.name), severity, asserts, advice


def stored_types(table: Table) -> dict[str, str]:
    """The types that the columns of a table have in DuckDB, by name."""
    with duckdb.connect() as connection:
        for statement in table_ddl(table, "described"):
            connection.execute(statement)
        rows = connection.sql("describe described").fetchall()
    return {name: kind for name, kind, *_ in rows}


# --- Markdown ------------------------------------------------------------------------------------


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    """Text as it has to be written in a grid: bars end a cell, and outside code `<` opens a tag."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(
        part if number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts)
    )


def _code(name: str) -> str:
    return f"`{name}`"


def _link(table: str) -> str:
    """A link to the section of a table on the same page."""
    return f"[{_code(table)}](#{table.replace('.', '')})"


def _listed(parts: Iterable[str]) -> str:
    *rest, last = list(parts) or [""]
    return f"{', '.join(rest)} and {last}" if rest else last


def _days(count: int, unit: str = "day") -> str:
    return f"{count} {unit}" + "s" * (count != 1)
