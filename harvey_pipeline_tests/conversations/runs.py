"""The subject's pipeline over a landing folder, and its tables beside the reference's."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from harvey_pipeline.conversations import SUBJECT
from harvey_pipeline_tests.conversations.landings import FIRST
from harvey_pipeline_tests.conversations.oracle import expected_tables
from harvey_pipeline_tests.pipelines import Pipeline, Rows, daily_assets_of

WHOLE: Final = replace(SUBJECT, checks=(), views=(), lineage=None)
ASSETS: Final = daily_assets_of(WHOLE)

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "raw.drops": ("source", "drop_date"),
    "raw.quarantine": ("source", "drop_date", "line_number"),
    "raw.raw_conversation_events": ("drop_date", "line_number"),
    "raw.raw_accounts": ("drop_date", "line_number"),
    "conversations.dim_account": ("user_id", "effective_start_date"),
    "conversations.conversation_daily": ("date", "conversation_id", "user_id"),
    "conversations.user_daily": ("date", "user_id"),
    "conversations.tool_daily": ("date", "user_id", "tool_name", "error_type"),
    "conversations.trait_daily": ("date", "user_id", "kind", "name"),
    "conversations.conversations": ("date", "conversation_id", "user_id"),
    "conversations.intents": ("date", "conversation_id", "user_id"),
    "conversations.first_steps": ("user_id",),
    "conversations.credit_exhaustion": ("date", "user_id"),
    "conversations.user_profiles": ("date", "user_id"),
    "conversations.tool_usage": ("date", "tool_name"),
    "conversations.failure_points": ("date", "tool_name", "error_type"),
    "conversations.window_conversations": ("date", "use_case"),
    "conversations.use_cases": ("date", "use_case"),
    "conversations.activation_funnel": ("date", "cohort"),
    "conversations.retention": ("date", "period"),
    "conversations.pmf_signals": ("date", "signal"),
    "conversations.pmf_dashboard": ("date",),
}
"""The tables that have a reference, and what tells their rows apart."""

UNASKED: Final[Mapping[str, frozenset[str]]] = {
    "conversations.conversations": frozenset({"feature_requests"}),
    "conversations.intents": frozenset({"conversation_key"}),
}
"""Columns beyond the definitions that a table may have; where it has them they are compared."""

RESOLVED_LATER: Final = {"raw.raw_conversation_events": {"content", "tool_name"}}
"""Columns that are kept as they are read, or read others: the sums, which are compared, show what
comes of them."""

_RELATIVE: Final = 1e-12
_SHOWN: Final = 3


def pipeline_of(landing: Path, folder: Path, last: date, first: date = FIRST) -> Pipeline:
    return Pipeline(landing, folder, first, last, WHOLE)


def assert_agrees(pipeline: Pipeline, days: Sequence[date], *tables: str) -> None:
    """Tables (all, if none is named) are those of the reference for the days run.

    Raises:
        AssertionError: Some differ; it names each of them, and of each what is different.
    """
    expected = expected_tables(pipeline.landing, days, pipeline.first)
    findings = [
        finding
        for name in tables or tuple(KEYS)
        for finding in differences(name, pipeline.rows(name), expected[name])
    ]
    assert not findings, "\n" + "\n".join(findings)


def differences(name: str, found: Rows, expected: Rows) -> list[str]:
    """What is different in a table, a line each: rows that lack or are too many, columns, cells."""
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
    if name.startswith("conversations."):
        for column in sorted(should_have - has - UNASKED.get(name, frozenset())):
            findings.append(f"{name}: no column {column}")
        for column in sorted(has - should_have):
            findings.append(f"{name}: column {column} is not of the definitions")
    cells: dict[str, list[str]] = defaultdict(list)
    for column in (has & should_have) - RESOLVED_LATER.get(name, set()):
        for one in both:
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
    """Whether a cell is the reference's: doubles up to the last bits of a division."""
    if column == "reasons":
        return sorted(found) == sorted(expected)
    if column == "record":
        return bool(_fields(found) == _fields(expected))
    if isinstance(found, float) and type(expected) in (int, float):
        return math.isclose(found, expected, rel_tol=_RELATIVE, abs_tol=_RELATIVE)
    return type(found) is type(expected) and bool(found == expected)


def _fields(record: str) -> Any:
    """A quarantined record's fields with a text, or the raw line."""
    try:
        fields = json.loads(record)
    except json.JSONDecodeError:
        return record
    if not isinstance(fields, dict):
        return record
    return {name: text for name, text in fields.items() if text not in (None, "")}
