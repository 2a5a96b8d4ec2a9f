"""The aggregates without figures of a few people: what is counted in them, and what adds up."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from harvey_pipeline.access.anonymity import LEAST_PEOPLE, Cell, Split, hidden_cells
from harvey_pipeline.access.roles import DASHBOARD, LICENSES, READOUT, ROI, STABILITY
from harvey_pipeline.segments.tables.labels import ALL, SEGMENTS

Rows = Sequence[Mapping[str, Any]]
Frames = Mapping[str, pl.DataFrame]
"""Rows of one tenant, by the own names of their tables."""

_WEEKLY: Final = (DASHBOARD, ROI, LICENSES)
READ_WITH: Final[Mapping[str, Sequence[str]]] = {
    DASHBOARD: _WEEKLY,
    ROI: _WEEKLY,
    LICENSES: _WEEKLY,
    STABILITY: (STABILITY,),
    READOUT: (READOUT,),
}
"""What has to be known of a tenant to hide in a table what another one would give away."""


def anonymise(table: str, frames: Frames) -> pl.DataFrame:
    """A table's rows with null in every figure of fewer than 5 people, and in what tells of it.

    Args:
        table: Own name of an aggregate.
        frames: All rows of the tenant of the tables that `READ_WITH` names for it.
    """
    return _ANONYMISED[table](frames)


def _blanked(
    frame: pl.DataFrame, blank: Callable[[Mapping[str, Any]], Iterable[str]]
) -> pl.DataFrame:
    """The rows with null in those columns that a function names for each row."""
    rows = frame.rows(named=True)
    return pl.DataFrame(
        [row | dict.fromkeys(set(blank(row)) & row.keys()) for row in rows], schema=frame.schema
    )


# --- the weekly tables ---------------------------------------------------------------------------

_BY_SEGMENT: Final = tuple(f"{segment}_users" for segment in SEGMENTS)
_RISKS: Final = ("churn_high", "churn_medium", "churn_low", "churn_very_low")
_PARTS: Final[Mapping[str, Sequence[tuple[str, ...]]]] = {
    "users": (
        _BY_SEGMENT,
        ("active_users",),
        ("dormant_users",),
        ("sign_in_only_users",),
        ("new_users",),
        ("changed_users",),
        ("moved_up_28d", "moved_down_28d"),
        ("needs_review_users",),
    ),
    "active_users": (_RISKS,),
    "churn_low": (("churn_suppressed",),),
    "moved_down_28d": (("power_to_casual_28d",),),
    "casual_users": (("convertible_users",),),
}
"""Of a whole, the counts that are parts of it; those of one tuple have nobody in common."""

_UNUSED: Final = "unused"
_FIGURES: Final[Mapping[str, Sequence[str]]] = {
    "users": ("power_percent", "regular_percent", "casual_percent", "mean_confidence"),
    "active_users": (
        *("mean_score", "mean_score_change_28d_percent", "mean_score_change_364d_percent"),
    ),
    "power_users": (
        *("power_percent", "power_hours_month", "power_savings_usd_year", "power_cost_usd_year"),
    ),
    "regular_users": ("regular_percent",),
    "casual_users": ("casual_percent", "casual_percent_change_28d"),
    "changed_users": ("changed_percent",),
    "convertible_users": ("conversion_usd_year", "conversion_cost_usd_year"),
    _UNUSED: ("reclaimable_usd_year",),
}
"""What is a sum or mean over a count's people, or tells how many they are."""

_WORTH: Final = ("power_users", "convertible_users", _UNUSED)
_TOTALS: Final = ("total_usd_year", "net_usd_year")
"""Sums of what each of these is worth: without one of them they would give it away."""

_CHANGES: Final = (
    ("casual_users", "casual_percent_change_28d", timedelta(days=28)),
    ("active_users", "mean_score_change_28d_percent", timedelta(days=28)),
    ("active_users", "mean_score_change_364d_percent", timedelta(days=364)),
)
"""Changes against an earlier day, which tell of a figure that is hidden there."""

_LICENSE_PARTS: Final = (("unused", "underused", "new_licenses"), ("casual_holders",))
_LICENSE_COSTS: Final = {
    "licenses": "annual_cost_usd",
    "unused": "reclaimable_usd",
    "underused": "underused_usd",
    "casual_holders": "casual_usd",
}


def _weekly_hidden(frames: Frames) -> dict[date, set[Cell]]:
    """What is hidden of each Monday: counts of the tenant by name, of licences by app and tier."""
    boards, returns = _by_date(frames[DASHBOARD]), _by_date(frames[ROI])
    licenses = _by_date(frames[LICENSES])
    return {
        day: _hidden_of_week(
            {**next(iter(returns.get(day, ())), {}), **next(iter(boards.get(day, ())), {})},
            licenses.get(day, ()),
        )
        for day in boards.keys() | returns.keys() | licenses.keys()
    }


def _by_date(frame: pl.DataFrame) -> dict[date, list[dict[str, Any]]]:
    rows = defaultdict(list)
    for row in frame.iter_rows(named=True):
        rows[row["date"]].append(row)
    return rows


def _hidden_of_week(totals: Mapping[str, Any], licenses: Rows) -> set[Cell]:
    counts: dict[Cell, int] = {}
    splits: list[Split] = []
    for whole, groups in _PARTS.items():
        for group in groups:
            _count(counts, totals, whole, *group)
            splits += _split(counts, whole, group)
    idle = []
    for row in licenses:
        of_row = {name: (row["app"], row["tier"], name) for name in _LICENSE_COUNTS}
        counts |= {cell: row[name] for name, cell in of_row.items() if row.get(name) is not None}
        for names in _LICENSE_PARTS:
            splits += _split(counts, of_row["licenses"], [of_row[name] for name in names])
        if row.get("reclaimable_usd") is not None:
            idle.append(of_row[_UNUSED])
    counts[_UNUSED] = sum(counts[cell] for cell in idle)
    splits += _split(counts, _UNUSED, idle)
    return hidden_cells(counts, splits)


_LICENSE_COUNTS: Final = ("licenses", *(name for names in _LICENSE_PARTS for name in names))


def _count(counts: dict[Cell, int], row: Mapping[str, Any], *names: str) -> None:
    counts.update({name: row[name] for name in names if row.get(name) is not None})


def _split(counts: Mapping[Cell, int], whole: Cell, parts: Sequence[Cell]) -> Iterator[Split]:
    """The split of a whole that is counted; parts that are more than it have people in common."""
    if whole in counts:
        rest = counts[whole] - sum(counts.get(part, 0) for part in parts)
        if rest >= 0:
            yield Split(whole, tuple(parts), rest)


def _anonymise_totals(table: str, frames: Frames) -> pl.DataFrame:
    """The dashboard, or the return: a row a Monday."""
    hidden = _weekly_hidden(frames)

    def blank(row: Mapping[str, Any]) -> Iterator[str]:
        of_day = hidden[row["date"]]
        for name in (*row, _UNUSED):
            if name in of_day:
                yield name
                yield from _FIGURES.get(name, ())
        if any(name in of_day for name in _WORTH):
            yield from _TOTALS
        for name, change, span in _CHANGES:
            if name in hidden.get(row["date"] - span, ()):
                yield change
        if _tells_newcomers(row):
            yield "changed_percent"

    return _blanked(frames[table], blank)


def _tells_newcomers(row: Mapping[str, Any]) -> bool:
    """Whether count and share of the changed users give away how few had no segment before."""
    share = row.get("changed_percent")
    if not share:
        return False
    newcomers = row["users"] - round(100 * row["changed_users"] / share)
    return bool(0 < newcomers < LEAST_PEOPLE)


def _anonymise_licenses(frames: Frames) -> pl.DataFrame:
    hidden = _weekly_hidden(frames)

    def blank(row: Mapping[str, Any]) -> Iterator[str]:
        of_day = hidden[row["date"]]
        for name in _LICENSE_COUNTS:
            if (row["app"], row["tier"], name) in of_day:
                yield name
                if name in _LICENSE_COSTS:
                    yield _LICENSE_COSTS[name]

    return _blanked(frames[LICENSES], blank)


# --- stability -----------------------------------------------------------------------------------

_COHORT: Final = "cohort_size"
_RATES: Final = {
    "same_segment": "same_segment_rate",
    "in_top_quartile": "top_quartile_rate",
    "inactive": "inactive_rate",
}


def _anonymise_stability(frames: Frames) -> pl.DataFrame:
    """Cohorts are the segments of the dashboard of one Monday, and split in the same way."""
    frame = frames[STABILITY]
    groups: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for row in frame.iter_rows(named=True):
        groups[row["activity_month"], row["months_after"]].append(row)
    hidden = {group: _hidden_of_cohorts(rows) for group, rows in groups.items()}

    def blank(row: Mapping[str, Any]) -> Iterator[str]:
        of_group, segment = hidden[row["activity_month"], row["months_after"]], row["segment"]
        is_cohort_hidden = (segment, _COHORT) in of_group
        if is_cohort_hidden:
            yield _COHORT
        for count, rate in _RATES.items():
            is_hidden = (segment, count) in of_group
            if is_hidden:
                yield count
            if is_hidden or is_cohort_hidden:
                yield rate
                yield "is_met"

    return _blanked(frame, blank)


def _hidden_of_cohorts(rows: Rows) -> set[Cell]:
    counts: dict[Cell, int] = {}
    splits: list[Split] = []
    for row in rows:
        cohort = (row["segment"], _COHORT)
        counts[cohort] = row[_COHORT]
        for name in _RATES:
            if row[name] is not None:
                part = (row["segment"], name)
                counts[part] = row[name]
                splits += _split(counts, cohort, [part])
    cohorts = [(segment, _COHORT) for segment in SEGMENTS]
    counts[ALL] = sum(counts.get(cohort, 0) for cohort in cohorts)
    return hidden_cells(counts, [*_split(counts, ALL, cohorts), *splits])


# --- experiments ---------------------------------------------------------------------------------

_GROUPS: Final = ("treatment", "control")
_SHARES: Final = ("conversion", "license_use")
_CONTAMINATED: Final = "contaminated_users"
_COMPARED: Final = ("difference", "relative_percent", "ci_low", "ci_high", "p_value", "is_met")


def _anonymise_readout(frames: Frames) -> pl.DataFrame:
    frame = frames[READOUT]
    groups: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for row in frame.iter_rows(named=True):
        groups[row["activity_month"], row["metric"]].append(row)
    hidden = {group: _hidden_of_experiments(rows) for group, rows in groups.items()}

    def blank(row: Mapping[str, Any]) -> Iterator[str]:
        of_group = hidden[row["activity_month"], row["metric"]]
        place = row["kind"], row["segment"]
        if (*place, _CONTAMINATED) in of_group:
            yield _CONTAMINATED
        for group in _GROUPS:
            is_size_hidden = (*place, group) in of_group
            if is_size_hidden:
                yield f"{group}_n"
            if is_size_hidden or (*place, group, "share") in of_group:
                yield f"{group}_value"
                yield from _COMPARED

    return _blanked(frame, blank)


def _hidden_of_experiments(rows: Rows) -> set[Cell]:
    """Of one month and metric: sizes of groups, and of shares how many people they stand for."""
    counts: dict[Cell, int] = {}
    splits: list[Split] = []
    for row in rows:
        place = row["kind"], row["segment"]
        counts[*place, _CONTAMINATED] = row[_CONTAMINATED]
        for group in _GROUPS:
            size, value = row[f"{group}_n"], row[f"{group}_value"]
            counts[*place, group] = size
            if row["metric"] in _SHARES and value is not None:
                counts[*place, group, "share"] = round(size * value)
                splits += _split(counts, (*place, group), [(*place, group, "share")])
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    for what in ((_CONTAMINATED,), *((one,) for one in _GROUPS), *((g, "share") for g in _GROUPS)):
        for kind in kinds:
            cells: list[Cell] = [(kind, segment, *what) for segment in SEGMENTS]
            splits += _split(counts, (kind, ALL, *what), cells)
        for segment in (*SEGMENTS, ALL):
            cells = [(kind, segment, *what) for kind in kinds if kind != ALL]
            splits += _split(counts, (ALL, segment, *what), cells)
    return hidden_cells(counts, splits)


_ANONYMISED: Final[Mapping[str, Callable[[Frames], pl.DataFrame]]] = {
    DASHBOARD: lambda frames: _anonymise_totals(DASHBOARD, frames),
    ROI: lambda frames: _anonymise_totals(ROI, frames),
    LICENSES: _anonymise_licenses,
    STABILITY: _anonymise_stability,
    READOUT: _anonymise_readout,
}
