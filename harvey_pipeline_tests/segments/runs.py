"""The subject's pipeline over a landing folder, and its tables beside the reference's."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl

from harvey_pipeline import engagement
from harvey_pipeline.segments import SUBJECT
from harvey_pipeline.subject import Subject
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.pipelines import Pipeline, Rows, daily_assets_of
from harvey_pipeline_tests.segments.landings import FIRST
from harvey_pipeline_tests.segments.oracle import expected_tables

CORE_TABLES: Final = (
    "core.dim_user",
    "core.dim_firms",
    "core.user_daily_activity",
    "marts.daily_event_summary",
)
"""What the subject reads of another one."""


def _with_core(subject: Subject) -> Subject:
    """The subject together with the tables of another one that it reads, and no more of that."""
    core = engagement.SUBJECT
    return replace(
        subject,
        sources=(*core.sources, *subject.sources),
        tables=(*(one for one in core.tables if one.name in CORE_TABLES), *subject.tables),
        dimensions=(*core.dimensions, *subject.dimensions),
        assets=(*(one for one in core.assets if one.table.name in CORE_TABLES), *subject.assets),
        checks=(),
        views=(),
        lineage=None,
    )


WHOLE: Final = _with_core(SUBJECT)
ASSETS: Final = daily_assets_of(WHOLE)

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "raw.drops": ("source", "drop_date"),
    "raw.quarantine": ("source", "drop_date", "line_number"),
    **{
        f"raw.raw_{source}": ("drop_date", "line_number")
        for source in ("sso_events", "employees", "licenses", "segment_labels", "interventions")
    },
    "segments.dim_employee": ("user_id", "effective_start_date"),
    "segments.dim_license": ("user_id", "app", "effective_start_date"),
    "segments.labels": ("date", "user_id", "labelled_by"),
    "segments.intervention_starts": ("date", "user_id", "kind"),
    "segments.user_daily_access": ("date", "tenant_id", "user_id", "app"),
    "segments.engagement_scores": ("date", "user_id"),
    "segments.tenant_engagement": ("date", "tenant_id"),
    "segments.user_segments": ("date", "user_id"),
    "segments.recommendations": ("date", "user_id", "rule_id"),
    "segments.license_opportunities": ("date", "tenant_id", "app", "tier"),
    "segments.roi_summary": ("date", "tenant_id"),
    "segments.segmentation_dashboard": ("date", "tenant_id"),
    "segments.evaluation": ("date", "tenant_id"),
    "segments.stability": ("activity_month", "tenant_id", "segment", "months_after"),
    "segments.churn_backtest": ("date", "tenant_id", "churn_risk"),
    "segments.ab_readout": ("activity_month", "kind", "segment", "metric"),
}
"""The tables that have a reference, and what tells their rows apart."""

WORDED: Final = {"segments.recommendations": {"suggestion", "reasoning"}}
"""Columns whose words the catalogue chooses."""

_EXACT: Final = ("_score", "score_", "percentile")
_EXACT_TO: Final = 1e-12
_RELATIVE: Final = 1e-9
_ABSOLUTE: Final = 1e-12
_SHOWN: Final = 3


def pipeline_of(landing: Path, folder: Path, last: date, first: date = FIRST) -> Pipeline:
    return Pipeline(landing, folder, first, last, WHOLE)


def assert_agrees(pipeline: Pipeline, days: Sequence[date], *tables: str) -> None:
    """Tables (all, if none is named) are those of the reference for the days run.

    Raises:
        AssertionError: Some differ; it names each of them, and of each what is different.
    """
    expected = expected_tables(pipeline.landing, days, pipeline.first)
    named = tables or tuple(KEYS)
    findings = [
        finding
        for name in named
        for finding in differences(name, pipeline.rows(name), expected[name])
    ]
    assert not findings, "\n" + "\n".join(findings)


def differences(name: str, found: Rows, expected: Rows) -> list[str]:
    """What is different in a table, a line each: rows that lack or are too many, columns, cells."""
    own = {source.name for source in SUBJECT.sources}
    if name in ("raw.drops", "raw.quarantine"):
        found = [row for row in found if row["source"] in own]
    key = KEYS[name]
    by_key = {tuple(row[column] for column in key): row for row in found}
    wanted = {tuple(row[column] for column in key): row for row in expected}
    findings = []
    if len(by_key) != len(found):
        findings.append(f"{name}: keys repeat in {len(found) - len(by_key)} rows")
    findings += _lacking(name, "missing", wanted.keys() - by_key.keys(), len(wanted))
    findings += _lacking(name, "too many", by_key.keys() - wanted.keys(), len(wanted))
    both = [one for one in wanted if one in by_key]
    if not both:
        return findings
    has, should_have = set(by_key[both[0]]), set(wanted[both[0]])
    if name.startswith("segments."):
        for column in sorted(should_have - has):
            findings.append(f"{name}: no column {column}")
        for column in sorted(has - should_have - WORDED.get(name, set())):
            findings.append(f"{name}: column {column} is not of the definitions")
    cells: dict[str, list[str]] = defaultdict(list)
    for one in both:
        for column in has & should_have:
            here, there = by_key[one][column], wanted[one][column]
            if not is_same(column, here, there):
                cells[column].append(f"{_told(one)}: found {here!r}, expected {there!r}")
    for column, texts in sorted(cells.items()):
        findings.append(f"{name}.{column}: {len(texts)} of {len(both)} rows differ, such as")
        findings += [f"    {text}" for text in texts[:_SHOWN]]
    return findings


def _lacking(name: str, what: str, keys: set[tuple[Any, ...]], rows: int) -> list[str]:
    if not keys:
        return []
    some = "; ".join(_told(one) for one in sorted(keys, key=str)[:_SHOWN])
    return [f"{name}: {len(keys)} rows {what} ({rows} expected), such as {some}"]


def _told(key: tuple[Any, ...]) -> str:
    return " ".join(str(part) for part in key)


def is_same(column: str, found: Any, expected: Any) -> bool:
    """Whether a cell is the reference's: doubles nearly, scores and percentiles to the digit."""
    if column == "reasons":
        return sorted(found) == sorted(expected)
    if column == "record":
        return bool(_fields(found) == _fields(expected))
    if found is None or expected is None or isinstance(found, str | bool | list):
        return type(found) is type(expected) and bool(found == expected)
    if isinstance(found, float) and isinstance(expected, int | float):
        if any(part in column for part in _EXACT) and not column.startswith("mean_"):
            return math.isclose(found, expected, rel_tol=0, abs_tol=_EXACT_TO)
        return math.isclose(found, expected, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return bool(found == expected)


def _fields(record: str) -> Any:
    """A quarantined record's fields with a text, or the raw line."""
    try:
        fields = json.loads(record)
    except json.JSONDecodeError:
        return record
    if not isinstance(fields, dict):
        return record
    return {name: text for name, text in fields.items() if text not in (None, "")}


def store(pipeline: Pipeline, tables: Mapping[str, Rows], days: Sequence[date]) -> None:
    """Write rows into tables as if they had been computed."""
    by_name = {table.name: table for table in pipeline.subject.tables}
    span = DayRange(days[0], days[-1])
    for name, rows in tables.items():
        table = by_name[name]
        frame = pl.DataFrame(rows, schema=table.polars_schema)
        pipeline.warehouse.write({table: frame.lazy()}, span)
