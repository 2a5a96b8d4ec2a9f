"""The signals of product-market fit, in figures and in words."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

from harvey_pipeline.conversations.tables.labels import SIGNALS
from harvey_pipeline.conversations.tables.marts import PMF_SIGNALS
from harvey_pipeline.reports.chapters.conversation_days import Row, Seen, in_words
from harvey_pipeline.reports.figures import Figures, figure_of
from harvey_pipeline.reports.page import (
    Block,
    Column,
    Entry,
    Figure,
    Grid,
    Missing,
    Statement,
    Unit,
)
from harvey_pipeline.reports.wording import counted, listed

_SPEAKS_FOR: Final = {
    "strong": ("that the product fits its market", "the product fits"),
    "weak": ("that it does not fit", "it does not fit"),
    "pivot": ("that it should change", "it should change"),
}


def signals_of(figures: Figures, day: date) -> dict[str, Row]:
    """The signals of a day by name, those for the product first."""
    found = figures.rows(f"select * from {PMF_SIGNALS} where date = $signal_day", signal_day=day)
    rows = {str(row["signal"]): row for row in found.to_dicts()}
    return {name: rows[name] for names in SIGNALS.values() for name in names if name in rows}


def _is_sure(signal: Row) -> bool:
    return signal["is_met"] is not None and bool(signal["is_reliable"])


def kind_said(kind: str, signals: Mapping[str, Row]) -> Statement:
    """How many signs of a kind are met, of all that there are."""
    own = {name: row for name, row in signals.items() if row["kind"] == kind}
    met = [name for name, row in own.items() if _is_sure(row) and row["is_met"]]
    told = f"{len(met)} of {counted(len(own), 'sign')} {_SPEAKS_FOR[kind][0]} "
    told += f"{'is' if len(met) == 1 else 'are'} met"
    evidence = [f"{in_words(name)} {_value_said(own[name])}" for name in met]
    unsure = [in_words(name) for name, row in own.items() if not _is_sure(row)]
    if unsure:
        evidence.append(f"not counted, for too little is known: {listed(unsure, len(unsure))}")
    return Statement(f"{told}.", f"{'; '.join(evidence)}." if evidence else "")


def signal_changes(now: Mapping[str, Row], before: Mapping[str, Row]) -> Iterator[Statement]:
    """Signs that are met and were not, or the other way, where both can be relied on."""
    for name, row in now.items():
        then = before.get(name)
        if then is None or not (_is_sure(row) and _is_sure(then)):
            continue
        if row["is_met"] != then["is_met"]:
            yield Statement(
                f"The sign “{in_words(name)}” is {'now' if row['is_met'] else 'no longer'} met: "
                f"it says {_SPEAKS_FOR[str(row['kind'])][0]}.",
                f"{_value_said(then)} on {then['date']}, {_value_said(row)} on {row['date']}.",
            )


_SIGNAL_UNITS: Final[Mapping[str, Unit]] = {
    "no_credit_exhaustion": "count",
    "repeated_blockers": "count",
    "short_conversations": "number",
}
"""Signals that are no percentages."""

_COUNTED: Final = {
    "no_credit_exhaustion": ("user", "users"),
    "repeated_blockers": ("failure point", "failure points"),
    "short_conversations": ("message a conversation", "messages a conversation"),
}
"""What the values of these count."""

_MET_IF: Final = {"no_credit_exhaustion": "equal to", "short_conversations": "below"}


def _signal_figure(signal: Row, column: str) -> Figure:
    unit = _SIGNAL_UNITS.get(str(signal["signal"]), "percent")
    return figure_of(signal, column, unit, str(PMF_SIGNALS), "date", "signal")


def _value_said(signal: Row) -> str:
    one, many = _COUNTED.get(str(signal["signal"]), ("", ""))
    told = str(_signal_figure(signal, "value"))
    return f"{told} {one if told in ('1', '1.0') else many}".rstrip()


def signals_grid(figures: Figures, seen: Seen) -> Block:
    """Every signal with its value and threshold, in its own unit."""
    signals = signals_of(figures, seen.day)
    if not signals:
        return Missing("Market fit", f"No data for signals of market fit: none of {seen.day}.")
    table, key = str(PMF_SIGNALS), ("date", "signal")
    rows: list[list[Entry]] = [
        [
            in_words(name),
            _SPEAKS_FOR[str(row["kind"])][1],
            figure_of(row, "is_met", "flag", table, *key),
            _signal_figure(row, "value"),
            _MET_IF.get(name, "above"),
            _signal_figure(row, "threshold"),
            figure_of(row, "numerator", "count", table, *key),
            figure_of(row, "denominator", "count", table, *key),
            figure_of(row, "is_reliable", "flag", table, *key),
        ]
        for name, row in signals.items()
    ]
    met = sum(row["is_met"] is True for row in signals.values())
    sure = sum(row["is_met"] is True and _is_sure(row) for row in signals.values())
    return Grid(
        f"Signals of market fit: {met:,} of {len(signals):,} met"
        + ("" if met == sure else f", {sure:,} of them on enough users or conversations"),
        (
            Column("Signal"),
            Column("Speaks for", "text", "What it says if it is met."),
            Column("Met", "flag"),
            Column("Value", "number"),
            Column("Met if", "text", "How the value has to stand to the threshold."),
            Column("Threshold", "number"),
            Column("Counted", "count", "What is counted."),
            Column("Of", "count", "Of how many users, conversations or attempts."),
            Column("Reliable", "flag", "Of 20 or more."),
        ),
        rows,
        "Signs for and against product-market fit over the 30 days (day 7 retention: of users who "
        "signed up 7 to 36 days before). Not met or met is unknown where there is no value: nobody "
        f"to count, or no vision stated for use cases. From {PMF_SIGNALS}, on {seen.day}.",
    )
