"""What is due, for `harvey run` and `harvey status`: found, told in lines, and as JSON."""

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from harvey_pipeline.cli.app import FailedError, UnusableError
from harvey_pipeline.cli.show import first_of, plural

if TYPE_CHECKING:
    from datetime import date

    from harvey_pipeline.graph.due import Due, DueRange, Plan, Stage
    from harvey_pipeline.settings import Settings
    from harvey_pipeline.subject import Subject
    from harvey_pipeline.warehouse.days import DayRange
    from harvey_pipeline.warehouse.warehouse import Warehouse

_REASONS_TOLD: Final = 4
_DAYS_TOLD: Final = 3


@dataclass(frozen=True)
class Survey:
    """What there is to compute, and what of it is due."""

    subjects: Sequence["Subject"]
    """Those of which the landing folder has something."""
    told: Sequence[str]
    """What is to be said of sources that it lacks."""
    days: "DayRange"
    """All days that there are: those found, and those ever run."""
    plan: "Plan"


@dataclass(frozen=True)
class PlannedRun:
    """A range of partitions that one run computes, of tables of a subject."""

    subject: "Subject"
    stage: "Stage"
    due: "DueRange"


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Import without looking for garbage: imports make none, and looking takes a fifth of them."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def read_usable_settings() -> "Settings":
    """The settings, of a landing folder that is there."""
    from harvey_pipeline.landing.places import is_there, landing_place
    from harvey_pipeline.landing.records import LandingError
    from harvey_pipeline.settings import SettingsError, read_settings

    try:
        settings = read_settings()
        landing = landing_place(settings.landing_dir)
        exists = is_there(landing)
    except (SettingsError, LandingError) as error:
        raise UnusableError(str(error)) from error
    if not exists:
        raise UnusableError(
            f"landing folder {landing.absolute()} does not exist. Set "
            f"HARVEY_LANDING_DIR or --landing-dir to the folder that holds a folder for each "
            f"source, or make some data with `harvey sample`."
        )
    return settings


def _look_into_landing(settings: "Settings", subjects: Sequence["Subject"]) -> "DayRange":
    """The days for which there is anything to run."""
    from harvey_pipeline.definitions import sources_of
    from harvey_pipeline.graph.calendar import days_in_landing
    from harvey_pipeline.landing.places import landing_place
    from harvey_pipeline.landing.records import LandingError

    try:
        found = days_in_landing(settings, sources_of(subjects))
    except LandingError as error:
        raise UnusableError(str(error)) from error
    if found is None:
        place = landing_place(settings.landing_dir).absolute()
        within = " within the calendar that is set" if settings.start_date else ""
        raise UnusableError(
            f"no day to run{within}: {place} holds no drops such as "
            f"{subjects[0].sources[-1].name}/2024-04-01.csv. Deliver some, point "
            f"HARVEY_LANDING_DIR or --landing-dir elsewhere, or make some data with "
            f"`harvey sample`."
        )
    return found


def _part_subjects(
    settings: "Settings", subjects: Sequence["Subject"]
) -> tuple[list["Subject"], list[str]]:
    """The subjects to run, and a line for each that has no files, or lacks an optional source."""
    from harvey_pipeline.landing.files import find_files
    from harvey_pipeline.landing.places import landing_place

    landing = landing_place(settings.landing_dir)
    active, told = [], []
    for subject in subjects:
        absent = [
            source.name
            for source in subject.sources
            if source.is_optional and find_files(landing, source).is_empty
        ]
        if len(absent) == len(subject.sources) and not subject.is_always_run:
            told.append(f"Left out: {subject.name}, of which the landing folder has nothing")
            continue
        active.append(subject)
        if absent:
            told.append(
                f"Nothing was delivered of {', '.join(absent)}, which {subject.name} can do without"
            )
    return active, told


def survey(settings: "Settings") -> Survey:
    """What there is to compute, and what of it is due.

    Raises:
        UnusableError: The landing folder cannot be read or holds no day to run, or the calendar
            starts after days that were run.
        FailedError: The warehouse stayed locked.
    """
    from harvey_pipeline.definitions import SUBJECTS

    found = _look_into_landing(settings, SUBJECTS)
    subjects, told = _part_subjects(settings, SUBJECTS)
    days, plan = find_plan(settings, subjects, found)
    return Survey(subjects, told, days, plan)


def find_plan(
    settings: "Settings", subjects: Sequence["Subject"], found: "DayRange"
) -> tuple["DayRange", "Plan"]:
    """The days that there are, found ones and those ever run, and what is due of them.

    It says on stderr when it waits for another process that holds the warehouse.

    Raises:
        UnusableError: A bulk export cannot be read, or the calendar starts after days that were
            run.
        FailedError: The warehouse stayed locked.
    """
    from harvey_pipeline.definitions import CALENDAR, build_resources, graph_of
    from harvey_pipeline.graph.calendar import StartMovedError, days_to_run
    from harvey_pipeline.graph.due import find_due
    from harvey_pipeline.graph.partitions import months_touched
    from harvey_pipeline.landing.records import LandingError
    from harvey_pipeline.warehouse.warehouse import WarehouseError

    warehouse, raw_store = build_resources(settings, CALENDAR)
    try:
        with waits_told(), _shared_opening(warehouse):
            days = days_to_run(found, CALENDAR, warehouse) or found
            months = months_touched(days)
            return days, find_due(graph_of(subjects), warehouse, raw_store, days, months)
    except (LandingError, StartMovedError) as error:
        raise UnusableError(str(error)) from error
    except WarehouseError as error:
        raise FailedError(str(error)) from error


@contextmanager
def waits_told() -> Iterator[None]:
    """Say on stderr when another process is waited for."""
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
    return first_of(list(names), _DAYS_TOLD)


def plan_as_json(plan: "Plan", subjects: Sequence["Subject"]) -> list[dict[str, Any]]:
    """The runs that a plan asks for, with every table's ranges and reasons."""
    from harvey_pipeline.graph.jobs import DAILY, MONTHLY

    return [
        {
            "subject": subject.name,
            "kind": MONTHLY if stage.is_monthly else DAILY,
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
        for subject in subjects
        for stage in subject.stages
        for some in plan.ranges(stage.tables)
    ]
