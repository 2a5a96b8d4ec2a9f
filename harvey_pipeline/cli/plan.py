"""What is due, for `harvey run` and `harvey status`: found, told in lines, and as JSON."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from harvey_pipeline.cli.app import FailedError, UnusableError
from harvey_pipeline.cli.show import plural

if TYPE_CHECKING:
    from datetime import date

    from harvey_pipeline.graph.due import Due, DueRange, Plan
    from harvey_pipeline.settings import Settings
    from harvey_pipeline.subject import Subject
    from harvey_pipeline.warehouse.days import DayRange
    from harvey_pipeline.warehouse.warehouse import Warehouse

_REASONS_TOLD: Final = 4
_DAYS_TOLD: Final = 3


def look_at(
    settings: "Settings",
    subjects: Sequence["Subject"],
    found: "DayRange",
    lock_timeout_seconds: float | None = None,
) -> tuple["DayRange", "Plan"]:
    """The days that there are, found ones and those ever run, and what is due of them.

    It says on stderr when it waits for another process that holds the warehouse.

    Raises:
        UnusableError: The landing folder cannot be read, or the calendar starts after days that
            were run.
        FailedError: The warehouse stayed locked.
    """
    from harvey_pipeline.definitions import CALENDAR, build_resources, graph_of
    from harvey_pipeline.graph.calendar import StartMovedError, days_to_run
    from harvey_pipeline.graph.due import find_due
    from harvey_pipeline.graph.partitions import months_touched
    from harvey_pipeline.landing.records import LandingError
    from harvey_pipeline.warehouse.warehouse import WarehouseError

    if lock_timeout_seconds is not None:
        settings = replace(settings, lock_timeout_seconds=lock_timeout_seconds)
    warehouse, raw_store = build_resources(settings, CALENDAR)
    try:
        with _waits_told(), _shared_opening(warehouse):
            days = days_to_run(found, CALENDAR, warehouse) or found
            months = months_touched(days)
            return days, find_due(graph_of(subjects), warehouse, raw_store, days, months)
    except (LandingError, StartMovedError) as error:
        raise UnusableError(str(error)) from error
    except WarehouseError as error:
        raise FailedError(str(error)) from error


@contextmanager
def _waits_told() -> Iterator[None]:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    package = logging.getLogger("harvey_pipeline")
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)


@contextmanager
def _shared_opening(warehouse: "Warehouse") -> Iterator[None]:
    """Open a warehouse that is there once for several questions."""
    if not warehouse.path.exists():
        yield
        return
    with warehouse.kept_open():
        yield


def due_ranges(
    plan: "Plan", subjects: Sequence["Subject"]
) -> list[tuple["Subject", str, "DueRange"]]:
    """The runs that a plan asks for: subject, kind of its job, and what it is to compute.

    Days of drops come first, then days of events, then months: what one of them leaves as it was
    need not be followed by the next.
    """
    from harvey_pipeline.graph.jobs import DAILY, MONTHLY

    return [
        (subject, kind, some)
        for subject in subjects
        for kind, tables in (
            (DAILY, subject.raw_tables),
            (DAILY, subject.daily_tables),
            (MONTHLY, subject.monthly_tables),
        )
        for some in plan.ranges(tables)
    ]


def tell_plan(plan: "Plan", subjects: Sequence["Subject"]) -> Iterator[str]:
    """A line for each range of days or months of which something is due, and why."""
    for subject in subjects:
        for tables in ((*subject.raw_tables, *subject.daily_tables), subject.monthly_tables):
            for some in plan.ranges(tables):
                yield _tell_range(some, plan)


def _tell_range(some: "DueRange", plan: "Plan") -> str:
    tables = plan.graph.tables
    raw = {source.table.name for source in plan.graph.sources}
    is_monthly = tables[some.due[0].table].is_monthly
    causes = _causes(some.due, raw, is_first={one.table for one in plan}.isdisjoint(raw))
    told = [f"{_name_days(days, is_monthly)}: {text}" for days, text in causes]
    more = len(told) - _REASONS_TOLD
    lines = told[:_REASONS_TOLD] + ([f"and {more} more reasons"] if more > 0 else [])
    following = [one for one in some.due if one.table not in raw]
    if following:
        days = sorted({one.day for one in following})
        schemas = list(dict.fromkeys(tables[one.table].schema_name for one in following))
        verb = "follows" if len(days) == 1 else "follow"
        noun = "month" if is_monthly else f"day{'s' * (len(days) > 1)} of {' and '.join(schemas)}"
        count = plural(len(days), noun) if is_monthly else f"{len(days)} {noun}"
        lines.append(f"{count} {verb}, {_name_days(days, is_monthly)}")
    return "; ".join(lines)


def _causes(
    due: Sequence["Due"], raw: set[str], *, is_first: bool
) -> list[tuple[list["date"], str]]:
    """The reasons that do not follow from others, each with its days.

    That something was never computed needs no word where drops are to be loaded, or else where
    everything of a day is new.
    """
    from harvey_pipeline.graph.due import NEVER

    by_reason: dict[str, set[date]] = {}
    for one in due:
        if one.follows or (one.reason == NEVER and not is_first):
            continue
        text = one.reason if one.table in raw else f"{one.table} {one.reason}"
        by_reason.setdefault(text, set()).add(one.day)
    by_days: dict[tuple[date, ...], list[str]] = {}
    for text, days in by_reason.items():
        by_days.setdefault(tuple(sorted(days)), []).append(text)
    return [(list(days), ", ".join(texts)) for days, texts in by_days.items()]


def _name_days(days: Sequence["date"], is_monthly: bool) -> str:
    from harvey_pipeline.warehouse.days import consecutive_days

    names = [f"{day:%Y-%m}" for day in days] if is_monthly else map(str, consecutive_days(days))
    names = list(names)
    more = len(names) - _DAYS_TOLD
    return ", ".join(names[:_DAYS_TOLD]) + (f" and {more} more" if more > 0 else "")


def plan_as_json(plan: "Plan", subjects: Sequence["Subject"]) -> list[dict[str, Any]]:
    """The runs that a plan asks for, with every table's ranges and reasons."""
    return [
        {
            "subject": subject.name,
            "kind": kind,
            "first": str(some.days.first),
            "last": str(some.days.last),
            "tables": {
                name: [
                    {"day": str(one.day), "reason": one.reason, "follows": one.follows}
                    for one in some.due
                    if one.table == name
                ]
                for name in some.tables
            },
        }
        for subject, kind, some in due_ranges(plan, subjects)
    ]
