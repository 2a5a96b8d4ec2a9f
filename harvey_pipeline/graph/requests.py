"""What schedules and the landing sensor ask for: runs of what is due, the same state only once."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

import dagster as dg

from harvey_pipeline.graph.assets import asset_key
from harvey_pipeline.graph.calendar import Calendar, StartMovedError, days_to_run
from harvey_pipeline.graph.computing import DUE_TAG
from harvey_pipeline.graph.dead_runs import DEAD_TAG
from harvey_pipeline.graph.due import Due, DueRange, Graph, Stage, find_due
from harvey_pipeline.graph.partitions import months_touched, range_tags
from harvey_pipeline.landing.coverage import days_found, sources_missing
from harvey_pipeline.landing.files import SourceFiles, find_all_files
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.records.contract import LandingError
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.publishing import is_behind
from harvey_pipeline.warehouse.warehouse import Warehouse, WarehouseError

STATE_TAG: Final = "harvey/state"
"""What was due, and from what, when a run was asked for."""

NOTHING_DUE: Final = "nothing is due"

_TIMES_AGAIN: Final = 2
"""How often a state is asked for once more whose run's process was killed: that says nothing
against it, unless it is the run that brings its process down."""

_UNFINISHED: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class Watched:
    """What one look asks about: the sources, what there is to compute of them, where it lies.

    Nothing waits for a warehouse that another process holds: the next look comes soon.
    """

    sources: tuple[Source, ...]
    graph: Graph
    calendar: Calendar
    raw_store: RawStore

    @classmethod
    def impatiently(
        cls,
        graph: Graph,
        calendar: Calendar,
        raw_store: RawStore,
        sources: tuple[Source, ...] | None = None,
    ) -> "Watched":
        """A look at a graph and its sources, or others that tell its days."""
        impatient = raw_store.warehouse.model_copy(update={"lock_timeout_seconds": 0})
        found = graph.sources if sources is None else sources
        return cls(found, graph, calendar, raw_store.model_copy(update={"warehouse": impatient}))

    @property
    def warehouse(self) -> Warehouse:
        return self.raw_store.warehouse

    @cached_property
    def files(self) -> dict[str, SourceFiles]:
        """What the landing folder holds of the sources.

        Raises:
            LandingError: It cannot be read.
        """
        return find_all_files(self.raw_store.landing, self.sources)

    @cached_property
    def days_found(self) -> list[date]:
        """The days by which the calendar is set, ascending.

        Raises:
            LandingError: The landing folder or a bulk export cannot be read.
        """
        return sorted(days_found(self.files.values(), Path(self.raw_store.root)))

    def is_delivered(self, stages: Sequence[Stage]) -> bool:
        """Whether there is anything of the sources that some stages take in.

        Without files of a subject whose sources are all optional there is nothing to compute.

        Raises:
            LandingError: The landing folder cannot be read.
        """
        tables = {table.name for stage in stages for table in stage.tables}
        if any(stage.is_always_run for stage in stages):
            return True
        own = [source for source in self.sources if source.table.name in tables] or self.sources
        return any(not one.is_optional or not self.files[one.name].is_empty for one in own)

    def missing_drops(self, day: date) -> list[str]:
        """The drops of a day that neither arrived nor are covered, as file names.

        Raises:
            LandingError: The landing folder or a bulk export cannot be read.
        """
        missing = sources_missing(self.files.values(), Path(self.raw_store.root), day)
        return [f"{name}/{day}.csv" for name in missing]


def day_before(moment: datetime) -> date:
    """The last whole day at a moment, UTC."""
    return moment.astimezone(UTC).date() - timedelta(days=1)


def request_due(
    instance: dg.DagsterInstance,
    watched: Watched,
    stages: Sequence[Sequence[Stage]],
    last: date,
    unsettled: Sequence[tuple[str, date | None]] = (),
) -> list[dg.RunRequest] | dg.SkipReason:
    """A request for each range of what is due up to a day.

    `stages` are lists of stages, those of each subject; of each list it is the first one of which
    something is due. Where nothing is, and yet readers do not see all that was committed,
    a run that computes nothing is asked for: it publishes.

    `unsettled` are the drops (of a bulk export without a day) that are left alone for now.
    """
    busy = _unfinished_run(instance, {stage.job_name for some in stages for stage in some})
    if busy is not None:
        return dg.SkipReason(f"run {busy} is not over yet")
    try:
        generation = watched.warehouse.generation() if watched.warehouse.path.exists() else 0
        if watched.graph.sources and not watched.days_found:
            # As where a folder is not mounted: that all drops are gone is not to be believed.
            return dg.SkipReason(f"{watched.raw_store.landing_dir} holds no drops")
        days = _find_days(watched, last)
        if days is None:
            return dg.SkipReason(NOTHING_DUE)
        plan = find_due(
            watched.graph,
            watched.warehouse,
            watched.raw_store,
            days,
            months_touched(days),
            leave_out=unsettled,
        )
        delivered = [some for some in stages if watched.is_delivered(some)]
        due = [one for ready in plan.next_ranges(delivered) for one in ready]
        if not due and is_behind(watched.warehouse):
            stage = stages[0][-1]
            due = [(stage, _nothing_of(stage, days))]
    except (LandingError, StartMovedError) as error:
        return dg.SkipReason(str(error))
    except WarehouseError as error:
        return dg.SkipReason(f"looking again later: {error}")
    return _request(instance, due, generation) if due else dg.SkipReason(NOTHING_DUE)


def _nothing_of(stage: Stage, days: DayRange) -> DueRange:
    """A range for a run that has nothing to compute."""
    table = stage.tables[-1]
    last = table.partitions(months_touched(days) if table.is_monthly else days)[-1]
    return DueRange(DayRange(last, last), (Due(table.name, last, "readers lag behind"),))


def _find_days(watched: Watched, last: date) -> DayRange | None:
    """The days up to one that there are to run; None without any."""
    calendar, there = watched.calendar, watched.days_found
    first = max(min(there, default=date.max), calendar.first)
    until = min(max(there, default=date.min), last, calendar.last or last)
    found = DayRange(first, until) if first <= until else None
    return days_to_run(found, calendar, watched.warehouse)


def _request(
    instance: dg.DagsterInstance, due: Sequence[tuple[Stage, DueRange]], generation: int
) -> list[dg.RunRequest] | dg.SkipReason:
    requests = []
    known = []
    for stage, some in due:
        state = _digest_state(some, generation)
        earlier = instance.get_runs(dg.RunsFilter(tags={STATE_TAG: state}))
        cut_short = [run for run in earlier if DEAD_TAG in run.tags]
        if len(earlier) > min(len(cut_short), _TIMES_AGAIN):
            known.append(earlier[0].run_id)
            continue
        requests.append(
            dg.RunRequest(
                run_key=f"{state}-{len(earlier)}" if earlier else state,
                job_name=stage.job_name,
                asset_selection=[asset_key(name) for name in some.tables],
                tags={**range_tags(some.days), DUE_TAG: "true", STATE_TAG: state},
            )
        )
    if requests:
        return requests
    return dg.SkipReason(
        f"what is due was asked for already and did not succeed: run {', '.join(known)}. Mend what "
        f"it says and run it again, with `harvey run` or in the UI."
    )


def _digest_state(some: DueRange, generation: int) -> str:
    """Another one as soon as something else is due, or something was committed since."""
    parts = [f"{one.table} {one.day} {one.reason} {one.version}" for one in some.due]
    return hashlib.sha256("\n".join([str(generation), *parts]).encode()).hexdigest()[:16]


def _unfinished_run(instance: dg.DagsterInstance, jobs: Iterable[str]) -> str | None:
    """A run of one of these jobs that is queued or going on."""
    for job in sorted(jobs):
        runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=_UNFINISHED), limit=1)
        if runs:
            return str(runs[0].run_id)
    return None
