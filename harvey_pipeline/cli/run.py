"""`harvey run`: what is due, with its progress, and how it came out."""

import json
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from harvey_pipeline.cli import show
from harvey_pipeline.cli.app import (
    FAILED,
    OK,
    UNUSABLE,
    DagsterHome,
    Debug,
    EndDate,
    FailedError,
    LandingDir,
    StartDate,
    UnusableError,
    WarehouseFile,
)
from harvey_pipeline.cli.home import prepare_dagster_home
from harvey_pipeline.cli.plan import (
    PlannedRun,
    Survey,
    find_plan,
    no_garbage_collection,
    plan_as_json,
    read_usable_settings,
    survey,
    tell_plan,
)
from harvey_pipeline.cli.warehouse_file import refuse_unusable_warehouse

_UNREAD_NAMED = 5
_SIGNALS_AT_MOST = 4096

if TYPE_CHECKING:
    import dagster as dg

    from harvey_pipeline.cli.progress import RunProgress
    from harvey_pipeline.graph.calendar import Calendar
    from harvey_pipeline.graph.due import DueRange, Plan
    from harvey_pipeline.settings import Settings
    from harvey_pipeline.subject import Subject
    from harvey_pipeline.warehouse.days import DayRange
    from harvey_pipeline.warehouse.table import Table


def run_due(
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="DAY", help="First day, as YYYY-MM-DD; else the first."),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", metavar="DAY", help="Last day, as YYYY-MM-DD; else the last."),
    ] = None,
    is_all_wanted: Annotated[
        bool, typer.Option("--all", help="Compute all of these days, due or not.")
    ] = False,
    is_json_wanted: Annotated[
        bool, typer.Option("--json", help="Tell what was due and what came of it as JSON.")
    ] = False,
    landing_dir: LandingDir = None,
    warehouse: WarehouseFile = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    dagster_home: DagsterHome = None,
    debug: Debug = False,
) -> int:
    """Compute what is due: days of new, changed or missing drops, and all that rests on them."""
    with no_garbage_collection():
        settings = read_usable_settings()
        refuse_unusable_warehouse(settings)
        prepare_dagster_home(settings)

        from harvey_pipeline.cli.erasure import finish_erasure
        from harvey_pipeline.definitions import CALENDAR, SUBJECTS

        finish_erasure(settings, Console(stderr=True, highlight=False))
        surveyed = survey(settings)
        active = surveyed.subjects
        days = _choose_days(first, last, surveyed.days, CALENDAR)
        begins = _first_days_completed(days, active, CALENDAR) if first else {}
        asked = _Asked(settings, active, days, begins, is_all=is_all_wanted, is_debugging=debug)
        plan = asked.limit(surveyed.plan)
        note = _describe_begins(asked)
    with _own_output(is_json=is_json_wanted) as console:
        for line in surveyed.told:
            show.say(console, line)
        tell_unread(console, settings, SUBJECTS)
        if not is_all_wanted and not any(plan):
            show.say(console, f"Nothing is due: {_describe(days)} of {settings.landing_dir}{note}")
            if _publish_what_was_left(settings):
                show.say(console, "Published what an earlier run had computed and not published.")
            return _print_json(plan, active, [], None) if is_json_wanted else OK
        show.say(console, f"Running {_describe(days)} of {settings.landing_dir}{note}")
        for line in () if is_all_wanted else tell_plan(plan, active):
            show.say(console, f"  {line}")
        outcome = _run_planned(console, asked, surveyed)
        if is_json_wanted:
            _print_json(plan, active, outcome.results, outcome.progress)
    return outcome.exit_code


@dataclass(frozen=True)
class _Asked:
    """What `harvey run` was asked for."""

    settings: "Settings"
    subjects: Sequence["Subject"]
    days: "DayRange"
    begins: Mapping[str, date]
    """The first day of subjects, by name, that begin before the others."""
    is_all: bool
    is_debugging: bool

    def days_of(self, subject: "Subject") -> "DayRange":
        """The days that are meant of a subject."""
        from harvey_pipeline.warehouse.days import DayRange

        return DayRange(self.begins.get(subject.name, self.days.first), self.days.last)

    def limit(self, plan: "Plan") -> "Plan":
        """What of a plan was asked for: of the days, and of the months that they touch."""
        return plan.limited(
            {
                table.name: some
                for subject in self.subjects
                for _, tables, some in self._kinds_of(subject)
                for table in tables
            }
        )

    def everything(self) -> list[PlannedRun]:
        """Every table of all days asked for and the months that they touch, due or not."""
        from harvey_pipeline.graph.due import Due, DueRange, Stage

        return [
            PlannedRun(
                subject,
                Stage(subject.job_name(kind), tables),
                DueRange(some, tuple(Due(str(one), some.first, "") for one in tables)),
            )
            for subject in self.subjects
            for kind, tables, some in self._kinds_of(subject)
            if tables
        ]

    def _kinds_of(
        self, subject: "Subject"
    ) -> tuple[tuple[str, tuple["Table", ...], "DayRange"], ...]:
        """A subject's tables by day and by month, each with the partitions that are meant."""
        from harvey_pipeline.graph.jobs import DAILY, MONTHLY
        from harvey_pipeline.graph.partitions import months_touched

        days = self.days_of(subject)
        return (
            (DAILY, (*subject.raw_tables, *subject.daily_tables), days),
            (MONTHLY, subject.monthly_tables, months_touched(days)),
        )


def _first_days_completed(
    days: "DayRange", subjects: Sequence["Subject"], calendar: "Calendar"
) -> dict[str, date]:
    """Of subjects, by name, the first day before a range that drops of the range may complete."""
    firsts = {}
    for subject in subjects:
        late = max((one.late_days for one in subject.sources), default=0)
        firsts[subject.name] = max(days.first - timedelta(days=late), calendar.first)
    return {name: first for name, first in firsts.items() if first < days.first}


def _describe_begins(asked: _Asked) -> str:
    """A word about days before those that were asked for."""
    if not asked.begins:
        return ""
    told = (f"of {name} from {first} on" for name, first in asked.begins.items())
    return f"; {', '.join(told)}, which its drops may complete"


def _describe(days: "DayRange") -> str:
    from harvey_pipeline.warehouse.days import months_of

    counts = (
        show.plural(len(days.days), "day"),
        show.plural(len(months_of(days.first, days.last)), "month"),
    )
    return f"{days} ({' in '.join(counts)})"


def tell_unread(console: Console, settings: "Settings", subjects: Sequence["Subject"]) -> None:
    """Name what lies in the landing folder and is read by nothing."""
    from harvey_pipeline.definitions import marked_of, sources_of
    from harvey_pipeline.landing.files import find_unread
    from harvey_pipeline.landing.places import landing_place

    landing = landing_place(settings.landing_dir)
    unread = find_unread(landing, sources_of(subjects), marked_of(subjects))
    if unread:
        named = show.first_of(unread, _UNREAD_NAMED)
        show.say(console, Text(f"Nothing reads {named}", style="yellow"))


def _choose_days(
    first: str | None, last: str | None, found: "DayRange", calendar: "Calendar"
) -> "DayRange":
    """The range asked for; without one, every day found."""
    from harvey_pipeline.graph.calendar import last_whole_day
    from harvey_pipeline.warehouse.days import DayRange

    end = min(calendar.last or last_whole_day(), last_whole_day())
    known = f"The calendar goes from {calendar.first} to {end}"

    def read(option: str, text: str | None, default: date) -> date:
        if text is None:
            return default
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise UnusableError(f"{option} {text} is no day; give YYYY-MM-DD. {known}.") from None
        if not calendar.first <= day <= end:
            raise UnusableError(
                f"{option} {text} lies outside the calendar. {known}; set HARVEY_START_DATE or "
                f"HARVEY_END_DATE (--start-date, --end-date) to widen it."
            )
        return day

    begin = read("--from", first, found.first)
    until = read("--to", last, found.last)
    if until < begin:
        raise UnusableError(f"the range ends ({until}) before it starts ({begin}). {known}.")
    return DayRange(begin, until)


@contextmanager
def _own_output(*, is_json: bool) -> Iterator[Console]:
    """A console on a duplicate of stdout or, where that is for JSON, of stderr.

    Dagster may capture what steps print by pointing stdout elsewhere for the time of a step, and
    progress has to be seen nevertheless.
    """
    stream = sys.stderr if is_json else sys.stdout
    stream.flush()
    with os.fdopen(os.dup(stream.fileno()), "w", encoding="utf-8", errors="replace") as file:
        yield show.output(file)


@dataclass(frozen=True)
class _Outcome:
    """How runs came out."""

    results: Sequence["dg.ExecuteInProcessResult"]
    progress: "RunProgress"
    exit_code: int


def _run_planned(console: Console, asked: _Asked, surveyed: Survey) -> _Outcome:
    """Run what is asked for and then, unless it was everything, what is due by that.

    A range that fails ends its subject. A corrected snapshot may reach days that nobody could
    foresee, so that after a run more may be due than before.
    """
    import dagster as dg

    from harvey_pipeline.cli.progress import RunProgress, live_or_plain
    from harvey_pipeline.graph.dead_runs import report_dead_runs

    started = time.monotonic()
    is_live = console.is_interactive and not asked.is_debugging
    results: list[dg.ExecuteInProcessResult] = []
    failed: set[str] = set()
    last_day: date | None = None
    try:
        with (
            dg.DagsterInstance.get() as instance,
            live_or_plain(console, is_live=is_live) as view,
        ):
            for run in report_dead_runs(instance):
                view.note(f"Marked as failed, for its process is gone: run {run.run_id}")
            progress = RunProgress(view, _steps_of(_foreseen(asked, surveyed)))
            # Readers get days and months together.
            with (
                _listening(progress, view.note),
                _published_at_the_end(asked.settings),
                _noticing_interrupts() as is_noticed,
            ):
                for planned in _one_after_the_other(asked, surveyed, failed):
                    progress.expect(_steps_of([planned.due]))
                    result = _execute(instance, progress, asked, planned)
                    results.append(result)
                    if not result.success:
                        failed.add(planned.subject.name)
                    if not planned.stage.is_monthly:
                        last_day = planned.due.days.last
                is_interrupted = progress.is_interrupted or (
                    bool(progress.failures) and is_noticed()
                )
    except dg.DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None
    if is_interrupted:
        raise KeyboardInterrupt
    seconds = time.monotonic() - started
    view.conclude()
    code = _conclude(console, asked, last_day, progress, results, seconds)
    return _Outcome(results, progress, code)


def _foreseen(asked: _Asked, surveyed: Survey) -> list["DueRange"]:
    """What is to be run as far as it is known before."""
    if asked.is_all:
        return [planned.due for planned in asked.everything()]
    plan = asked.limit(surveyed.plan)
    stages = (stage for subject in asked.subjects for stage in subject.stages)
    return [some for stage in stages for some in plan.ranges(stage.tables)]


def _one_after_the_other(
    asked: _Asked, surveyed: Survey, failed: Collection[str]
) -> Iterator[PlannedRun]:
    """What to run: drops before days before months, and what is due once they were run."""
    if asked.is_all:
        yield from (one for one in asked.everything() if one.subject.name not in failed)
        return
    plan, seen = surveyed.plan, []
    while True:
        subjects = [subject for subject in asked.subjects if subject.name not in failed]
        ready = asked.limit(plan).next_ranges([subject.stages for subject in subjects])
        todo = [
            PlannedRun(subject, stage, some)
            for subject, ranges in zip(subjects, ready, strict=True)
            for stage, some in ranges
        ]
        if not todo or todo in seen:
            return
        seen.append(todo)
        yield from (one for one in todo if one.subject.name not in failed)
        is_over = all(subject.name in failed for subject in asked.subjects)
        if is_over or all(one.stage.is_monthly for one in todo):
            return
        _, plan = find_plan(asked.settings, asked.subjects, surveyed.days)


def _steps_of(ranges: Sequence["DueRange"]) -> dict[str, int]:
    """The keys of the steps of some runs, in the order of computing, each with its partitions."""
    from harvey_pipeline.definitions import SUBJECTS, check_plans, tables_of
    from harvey_pipeline.graph.assets import checks_step_of, step_of

    tables = tables_of(SUBJECTS)
    checked = {plan.table.name for plan in check_plans(SUBJECTS)}
    steps: dict[str, int] = {}
    for some in ranges:
        for name in some.tables:
            step = step_of(name)
            count = tables[name].count_partitions(some.days.first, some.days.last)
            steps[step] = steps.get(step, 0) + count
            if name in checked:
                steps[checks_step_of(name)] = steps[step]
    return steps


@contextmanager
def _published_at_the_end(settings: "Settings") -> Iterator[None]:
    """Publish once after several runs, whatever came of them."""
    from harvey_pipeline.definitions import CALENDAR, SUBJECTS, build_resources, tables_of, views_of
    from harvey_pipeline.warehouse.publishing import publish_after_run

    warehouse, _ = build_resources(settings, CALENDAR)
    with warehouse.kept_open():
        try:
            yield
        finally:
            publish_after_run(warehouse, tables_of(SUBJECTS), views_of(SUBJECTS))


def _publish_what_was_left(settings: "Settings") -> bool:
    """Publish what a run committed that ended before it could; False if there is nothing.

    Raises:
        FailedError: The warehouse stayed locked.
    """
    from harvey_pipeline.definitions import CALENDAR, SUBJECTS, build_resources, tables_of, views_of
    from harvey_pipeline.warehouse.publishing import is_behind, publish
    from harvey_pipeline.warehouse.warehouse import WarehouseError

    warehouse, _ = build_resources(settings, CALENDAR)
    try:
        if not is_behind(warehouse):
            return False
        publish(warehouse, tables_of(SUBJECTS), views_of(SUBJECTS))
    except WarehouseError as error:
        raise FailedError(str(error)) from error
    return True


def _execute(
    instance: "dg.DagsterInstance",
    progress: "RunProgress",
    asked: _Asked,
    planned: PlannedRun,
) -> "dg.ExecuteInProcessResult":
    """Run a job for a range of its partitions and the tables that are due, showing progress."""
    from harvey_pipeline.definitions import defs
    from harvey_pipeline.graph.assets import asset_key
    from harvey_pipeline.graph.computing import DUE_TAG
    from harvey_pipeline.graph.partitions import range_tags
    from harvey_pipeline.warehouse.io_managers import PUBLISHED_LATER_TAG

    run_id = str(uuid.uuid4())
    instance.add_event_listener(run_id, progress.take_event)
    due = {} if asked.is_all else {DUE_TAG: "true"}
    return defs.resolve_job_def(planned.stage.job_name).execute_in_process(
        instance=instance,
        run_id=run_id,
        asset_selection=[asset_key(name) for name in planned.due.tables],
        tags={**range_tags(planned.due.days), **due, PUBLISHED_LATER_TAG: "true"},
        run_config=_log_config(is_debugging=asked.is_debugging),
        raise_on_error=False,
    )


def _log_config(*, is_debugging: bool) -> dict[str, Any]:
    level = "DEBUG" if is_debugging else "CRITICAL"
    return {"loggers": {"console": {"config": {"log_level": level}}}}


class _Forward(logging.Handler):
    """Hands records to a function."""

    def __init__(self, take: Callable[[logging.LogRecord], None], level: int) -> None:
        super().__init__(level)
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        self._take(record)


@contextmanager
def _noticing_interrupts() -> Iterator[Callable[[], bool]]:
    """Tells afterwards whether an interrupt came, whatever became of the exception that it raises.

    In a callback of polars or DuckDB they make an error of their own of it.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)

    def is_noticed() -> bool:
        try:
            return signal.SIGINT in os.read(reading, _SIGNALS_AT_MOST)
        except BlockingIOError:
            return False

    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield is_noticed
    finally:
        signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(writing)


@contextmanager
def _listening(progress: "RunProgress", note: Callable[[str], None]) -> Iterator[None]:
    """Show the package's own log records: progress as progress, warnings as notes."""
    from harvey_pipeline.warehouse.progress import progress_logger

    def advance(record: logging.LogRecord) -> None:
        fields = record.__dict__
        progress.take_progress(fields["step"], fields["done"], fields["total"])

    package = logging.getLogger("harvey_pipeline")
    handlers = {
        progress_logger: _Forward(advance, logging.DEBUG),
        package: _Forward(lambda record: note(record.getMessage()), logging.WARNING),
    }
    for logger, handler in handlers.items():
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, handler in handlers.items():
            logger.removeHandler(handler)


def _conclude(
    console: Console,
    asked: _Asked,
    last_day: date | None,
    progress: "RunProgress",
    results: Sequence["dg.ExecuteInProcessResult"],
    seconds: float,
) -> int:
    """Show how runs came out, and return the exit code."""
    checks = progress.failed_checks()
    failures = progress.failures
    for line in (
        *show.check_lines(checks, console.width),
        *(show.describe_failure(failure) for failure in failures),
    ):
        show.say(console, line)
    for subject in asked.subjects:
        _show_headline(console, asked.settings, subject, last_day, progress)
    is_success = all(result.success for result in results)
    errors = sum(not check.is_warning for check in checks)
    if not is_success:
        outcome = Text("Failed", style="bold red")
    elif errors:
        outcome = Text(f"Computed, but {show.plural(errors, 'check')} failed", style="bold red")
    else:
        outcome = Text("Done", style="bold green")
    show.say(console, Text.assemble(outcome, f" in {seconds:.1f} s. To look into it: harvey ui"))
    for result in results:
        show.say(console, Text(f"Run of {result.job_def.name}: {result.run_id}", style="dim"))
    if is_success:
        return FAILED if errors else OK
    return UNUSABLE if any(one.kind == "LandingError" for one in failures) else FAILED


def _show_headline(
    console: Console,
    settings: "Settings",
    subject: "Subject",
    day: date | None,
    progress: "RunProgress",
) -> None:
    from harvey_pipeline.definitions import CALENDAR, build_resources
    from harvey_pipeline.warehouse.days import DayRange

    headline = subject.headline
    if headline is None or day is None:
        return
    computed = progress.assets.get(headline.table.name)
    if computed is None or computed.rows is None:
        return
    warehouse, _ = build_resources(settings, CALENDAR)
    rows = warehouse.read(headline.table, DayRange(CALENDAR.first, day)).collect()
    if rows.is_empty():
        return
    chosen, last = headline.choose(rows)
    title = f"{headline.title} of {chosen[headline.table.day_column or '']}"
    console.print(Text(f"\n{title}", style="bold"))
    if unusual := show.unusual_volume(headline, rows, last):
        show.say(console, unusual)
    console.print()
    console.print(show.headline_table(headline.groups, chosen))


def _print_json(
    plan: "Plan",
    subjects: Sequence["Subject"],
    results: Sequence["dg.ExecuteInProcessResult"],
    progress: "RunProgress | None",
) -> int:
    """Print what was due, the runs, and what did not pass."""
    told = {
        "due": plan_as_json(plan, subjects),
        "runs": [
            {"job": one.job_def.name, "run_id": one.run_id, "is_success": one.success}
            for one in results
        ],
        "failed_checks": [asdict(one) for one in (progress.failed_checks() if progress else ())],
        "failures": [asdict(one) for one in (progress.failures if progress else ())],
    }
    typer.echo(json.dumps(told, indent=2, default=str))
    return OK
