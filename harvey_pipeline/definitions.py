"""The code location: the subjects, put together."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Final

import dagster as dg

from harvey_pipeline import agents, conversations, engagement, segments
from harvey_pipeline.checks.declare import declare_checks
from harvey_pipeline.checks.plan import CheckPlan
from harvey_pipeline.graph.alerts import alert_resource, alert_sensors
from harvey_pipeline.graph.assets import asset_key, step_of
from harvey_pipeline.graph.calendar import Calendar, read_calendar
from harvey_pipeline.graph.due import Graph, Stage
from harvey_pipeline.graph.jobs import (
    AUDIT,
    DAILY,
    MONTHLY,
    audit_job,
    audit_schedule,
    daily_job,
    daily_schedule,
    landing_sensor,
    monthly_job,
    monthly_schedule,
)
from harvey_pipeline.graph.partitions import Partitions
from harvey_pipeline.graph.targets import build_targets
from harvey_pipeline.graph.timings import timings_job, timings_schedule
from harvey_pipeline.landing.io_manager import RawStoreIOManager
from harvey_pipeline.landing.ledger import DROPS, QUARANTINE
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.llm.tables import TABLES as LLM_TABLES
from harvey_pipeline.reports.subject import SUBJECT as REPORTS
from harvey_pipeline.reports.subject import report_over
from harvey_pipeline.settings import SUBJECTS as SUBJECTS_SETTING
from harvey_pipeline.settings import (
    Settings,
    SettingsError,
    read_alert_settings,
    read_quality_settings,
    read_settings,
)
from harvey_pipeline.subject import Subject
from harvey_pipeline.warehouse.io_managers import warehouse_io_manager
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.view import View
from harvey_pipeline.warehouse.warehouse import Warehouse

ALL_SUBJECTS: Final[tuple[Subject, ...]] = (
    engagement.SUBJECT,
    agents.SUBJECT,
    conversations.SUBJECT,
    segments.SUBJECT,
    REPORTS,
)


def choose_subjects(names: Sequence[str]) -> tuple[Subject, ...]:
    """The subjects of these names, all without any, in the order of computing.

    Raises:
        SettingsError: There is none of a name, or one rests on another that is not among them.
    """
    if not names:
        return ALL_SUBJECTS
    # A report shows whatever subjects are there.
    there_are = tuple(report_over(names) if one is REPORTS else one for one in ALL_SUBJECTS)
    known = [subject.name for subject in there_are]
    for name in names:
        if name not in known:
            raise SettingsError(f"{SUBJECTS_SETTING} names {name!r}; there are {', '.join(known)}.")
    chosen = tuple(one for one in there_are if one.name in names)
    for subject in chosen:
        for one in rests_on(subject, there_are):
            if one not in chosen:
                raise SettingsError(
                    f"{SUBJECTS_SETTING} names {subject.name}, but not {one.name}, on which it "
                    f"rests."
                )
    return chosen


def sources_of(subjects: Sequence[Subject]) -> tuple[Source, ...]:
    """All sources of the landing folder."""
    return tuple(source for subject in subjects for source in subject.sources)


def marked_of(subjects: Sequence[Subject]) -> tuple[str, ...]:
    """The folders of the landing folder that hold markers alone."""
    return tuple(folder for subject in subjects for folder in subject.marked)


def tables_of(subjects: Sequence[Subject]) -> Mapping[str, Table]:
    """All tables by name: raw ones, the ledger's, the subjects' own, the models', and the state
    of dimensions."""
    parts = (
        *(table for subject in subjects for table in subject.raw_tables),
        DROPS,
        QUARANTINE,
        *(table for subject in subjects for table in subject.tables),
        *LLM_TABLES,
        *(table for subject in subjects for table in subject.state_tables),
    )
    return {table.name: table for table in parts}


def views_of(subjects: Sequence[Subject]) -> tuple[View, ...]:
    """All views, each after those that it reads."""
    return tuple(view for subject in subjects for view in subject.views)


def graph_of(subjects: Sequence[Subject]) -> Graph:
    """What is computed from what, in all subjects."""
    assets = (asset for subject in subjects for asset in subject.table_assets)
    return Graph(sources_of(subjects), tuple(assets))


def rests_on(subject: Subject, subjects: Sequence[Subject]) -> list[Subject]:
    """A subject after those whose tables it reads, itself or by way of others."""
    found = [subject]
    for one in reversed(subjects[: subjects.index(subject)]):
        own = {table.name for table in (*one.raw_tables, *one.tables)}
        assets = (asset for above in found for asset in above.table_assets)
        if any(read.table in own for asset in assets for read in asset.upstream):
            found.insert(0, one)
    return found


def steps_of_assets(subjects: Sequence[Subject]) -> Mapping[str, str]:
    """The names of all assets by the keys of their steps."""
    tables = (
        table
        for subject in subjects
        for table in (*subject.raw_tables, *subject.daily_tables, *subject.monthly_tables)
    )
    return {step_of(table): table.name for table in tables}


def check_plans(subjects: Sequence[Subject]) -> tuple[CheckPlan, ...]:
    """The checks of every table."""
    tables = tables_of(subjects)
    return tuple(plan for subject in subjects for plan in subject.plan_checks(tables))


def build_resources(settings: Settings, calendar: Calendar) -> tuple[Warehouse, RawStore]:
    """The warehouse and the raw store of these settings."""
    warehouse = Warehouse(
        database=str(settings.warehouse), lock_timeout_seconds=settings.lock_timeout_seconds
    )
    raw_store = RawStore(
        root=str(settings.raw_dir),
        landing_dir=str(settings.landing_dir),
        start_date=str(calendar.first),
        warehouse=warehouse,
        spark=settings.spark,
        parts_root=settings.raw_store,
    )
    return warehouse, raw_store


@contextmanager
def _without_announcements() -> Iterator[None]:
    """Keep to ourselves that backfill policies and partition mappings are beta in Dagster."""
    with warnings.catch_warnings():
        for category in (dg.BetaWarning, dg.PreviewWarning):
            warnings.simplefilter("ignore", category)
        yield


@_without_announcements()
def build_definitions(
    subjects: Sequence[Subject],
    calendar: Calendar,
    warehouse: Warehouse,
    raw_store: RawStore,
    incomplete_after_hour: int = 12,
    look_seconds: int = 30,
) -> dg.Definitions:
    """The graph of some subjects over a warehouse and a raw store; a test gives its own."""
    partitions = Partitions(calendar, incomplete_after_hour)
    tables = tables_of(subjects)
    targets = build_targets(read_alert_settings())
    sources = {source.table.name: source for source in sources_of(subjects)}
    jobs, audits, schedules = [], [], []
    for subject in subjects:
        beneath = rests_on(subject, subjects)
        graph = graph_of(beneath)
        daily = (*subject.raw_tables, *subject.daily_tables)
        job = daily_job(subject.job_name(DAILY), [asset_key(table) for table in daily])
        jobs.append(job)
        stage = Stage(job.name, daily, subject.is_always_run)
        # What rests on other subjects looks when these have looked.
        minute = 30 if len(beneath) > 1 else 0
        schedules.append(daily_schedule(job, graph, stage, calendar, minute=minute))
        if subject.monthly_tables:
            months = subject.monthly_tables
            job = monthly_job(subject.job_name(MONTHLY), [asset_key(table) for table in months])
            jobs.append(job)
            stage = Stage(job.name, months, subject.is_always_run)
            schedules.append(monthly_schedule(job, graph, stage, calendar))
        checked = [asset_key(table) for table in (*daily, *subject.monthly_tables)]
        job = audit_job(subject.job_name(AUDIT), checked)
        audits.append(job)
        schedules.append(audit_schedule(job))
    timings = timings_job(steps_of_assets(subjects))
    schedules.append(timings_schedule(timings))
    stages = [subject.stages for subject in subjects]
    return dg.Definitions(
        assets=[
            asset
            for subject in subjects
            for asset in subject.build_assets(partitions, tables, sources)
        ],
        asset_checks=[declare_checks(plan) for plan in check_plans(subjects)],
        jobs=[*jobs, *audits, timings],
        schedules=schedules,
        sensors=[
            landing_sensor(
                jobs, stages, graph_of(subjects), calendar, incomplete_after_hour, look_seconds
            ),
            *alert_sensors([*targets], sources_of(subjects), read_quality_settings()),
        ],
        resources={
            "warehouse": warehouse,
            "raw_store": raw_store,
            "warehouse_io": warehouse_io_manager(warehouse, tables, views_of(subjects)),
            "raw_io": RawStoreIOManager(raw_store, sources_of(subjects)),
            **{alert_resource(name): target for name, target in targets.items()},
        },
        executor=dg.in_process_executor,
    )


_SETTINGS: Final = read_settings()

SUBJECTS: Final = choose_subjects(_SETTINGS.subjects)

CALENDAR: Final = read_calendar(_SETTINGS, sources_of(SUBJECTS))


@dg.definitions
@cache
def code_location() -> dg.Definitions:
    """The graph of the subjects that are run; telling what is due needs none, so it waits."""
    return build_definitions(
        SUBJECTS,
        CALENDAR,
        *build_resources(_SETTINGS, CALENDAR),
        _SETTINGS.incomplete_after_hour,
        _SETTINGS.look_seconds,
    )


def __getattr__(name: str) -> dg.Definitions:
    """`defs`, as programs that import this module know the graph."""
    if name == "defs":
        return code_location()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
