"""`harvey run`: everything for a range of days, with its progress, and how it came out."""

import gc
import logging
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
    LandingDir,
    StartDate,
    UnusableError,
    WarehouseFile,
)
from harvey_pipeline.cli.home import prepare_dagster_home
from harvey_pipeline.cli.warehouse_file import refuse_unusable_warehouse

_UNREAD_NAMED = 5

if TYPE_CHECKING:
    import dagster as dg

    from harvey_pipeline.cli.progress import RunProgress, View
    from harvey_pipeline.graph.calendar import Calendar
    from harvey_pipeline.settings import Settings
    from harvey_pipeline.subject import Subject
    from harvey_pipeline.warehouse.days import DayRange


def run_days(
    first: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DAY", help="First day, as YYYY-MM-DD; else the first found."
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", metavar="DAY", help="Last day, as YYYY-MM-DD; else the last found."),
    ] = None,
    landing_dir: LandingDir = None,
    warehouse: WarehouseFile = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    dagster_home: DagsterHome = None,
    debug: Debug = False,
) -> int:
    """Compute everything for a range of days, and the calendar months that they touch."""
    with _no_garbage_collection():
        settings = _read_settings()
        refuse_unusable_warehouse(settings)
        prepare_dagster_home(settings)

        from harvey_pipeline.definitions import CALENDAR, SUBJECTS

        found = _look_into_landing(settings, SUBJECTS)
        days = _choose_days(first, last, found, CALENDAR)
        active, told = _part_subjects(settings, SUBJECTS)
        days, note = _with_days_completed(days, active, CALENDAR, is_first_given=bool(first))
    with _own_stdout() as console:
        show.say(console, f"Running {_describe(days)} of {settings.landing_dir}{note}")
        for line in told:
            show.say(console, line)
        _tell_unread(console, settings, SUBJECTS)
        return _run_subjects(console, settings, active, days, is_debugging=debug)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Import without looking for garbage: imports make none, and looking takes a fifth of them."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _read_settings() -> "Settings":
    """The settings, of a landing folder that is there."""
    from harvey_pipeline.settings import SettingsError, read_settings

    try:
        settings = read_settings()
    except SettingsError as error:
        raise UnusableError(str(error)) from error
    if not settings.landing_dir.is_dir():
        raise UnusableError(
            f"landing folder {settings.landing_dir.absolute()} does not exist. Set "
            f"HARVEY_LANDING_DIR or --landing-dir to the folder that holds a folder for each "
            f"source, or make some data with `harvey sample`."
        )
    return settings


def _look_into_landing(settings: "Settings", subjects: Sequence["Subject"]) -> "DayRange":
    """The days for which there is anything to run."""
    from harvey_pipeline.definitions import sources_of
    from harvey_pipeline.graph.calendar import days_in_landing
    from harvey_pipeline.landing.records import LandingError

    try:
        found = days_in_landing(settings, sources_of(subjects))
    except LandingError as error:
        raise UnusableError(str(error)) from error
    if found is None:
        within = " within the calendar that is set" if settings.start_date else ""
        raise UnusableError(
            f"no day to run{within}: {settings.landing_dir.absolute()} holds no drops such as "
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

    active, told = [], []
    for subject in subjects:
        absent = [
            source.name
            for source in subject.sources
            if source.is_optional and find_files(settings.landing_dir, source).is_empty
        ]
        if len(absent) == len(subject.sources):
            told.append(f"Left out: {subject.name}, of which the landing folder has nothing")
            continue
        active.append(subject)
        if absent:
            told.append(
                f"Nothing was delivered of {', '.join(absent)}, which {subject.name} can do without"
            )
    return active, told


def _with_days_completed(
    days: "DayRange",
    subjects: Sequence["Subject"],
    calendar: "Calendar",
    *,
    is_first_given: bool,
) -> tuple["DayRange", str]:
    """The range with the days before it that its drops may complete, and a word about them."""
    from harvey_pipeline.warehouse.days import DayRange

    late = max((one.late_days for subject in subjects for one in subject.sources), default=0)
    first = max(days.first - timedelta(days=late), calendar.first)
    if not is_first_given or first == days.first:
        return days, ""
    return DayRange(first, days.last), f"; from {first} on, which its drops may complete"


def _describe(days: "DayRange") -> str:
    from harvey_pipeline.warehouse.days import months_of

    counts = (
        show.plural(len(days.days), "day"),
        show.plural(len(months_of(days.first, days.last)), "month"),
    )
    return f"{days} ({' in '.join(counts)})"


def _tell_unread(console: Console, settings: "Settings", subjects: Sequence["Subject"]) -> None:
    """Name what lies in the landing folder and is read by nothing."""
    from harvey_pipeline.definitions import sources_of
    from harvey_pipeline.landing.files import find_unread

    unread = find_unread(settings.landing_dir, sources_of(subjects))
    if unread:
        named = ", ".join(unread[:_UNREAD_NAMED])
        more = f" and {len(unread) - _UNREAD_NAMED} more" * (len(unread) > _UNREAD_NAMED)
        show.say(console, Text(f"Nothing reads {named}{more}", style="yellow"))


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
def _own_stdout() -> Iterator[Console]:
    """A console on a duplicate of stdout.

    Dagster may capture what steps print by pointing stdout elsewhere for the time of a step, and
    progress has to be seen nevertheless.
    """
    sys.stdout.flush()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", errors="replace") as file:
        yield show.output(file)


def _run_subjects(
    console: Console,
    settings: "Settings",
    subjects: Sequence["Subject"],
    days: "DayRange",
    *,
    is_debugging: bool,
) -> int:
    """Run each subject's daily job for the days and, if it succeeds, its monthly one."""
    import dagster as dg

    from harvey_pipeline.cli.progress import RunProgress, live_or_plain
    from harvey_pipeline.definitions import CALENDAR, build_resources, defs
    from harvey_pipeline.graph.dead_runs import report_dead_runs
    from harvey_pipeline.graph.jobs import DAILY, MONTHLY, months_after
    from harvey_pipeline.warehouse.days import months_of

    warehouse, _ = build_resources(settings, CALENDAR)
    counts = {DAILY: len(days.days), MONTHLY: len(months_of(days.first, days.last))}
    steps = {
        node.name: counts[kind]
        for subject in subjects
        for kind, name in zip(counts, subject.job_names, strict=False)
        for node in defs.resolve_job_def(name).nodes_in_topological_order
    }
    started = time.monotonic()
    is_live = console.is_interactive and not is_debugging
    try:
        with (
            dg.DagsterInstance.get() as instance,
            live_or_plain(console, is_live=is_live) as view,
        ):
            for run in report_dead_runs(instance):
                view.note(f"Marked as failed, for its process is gone: run {run.run_id}")
            progress = RunProgress(view, steps)
            with _listening(progress, view.note):
                execute = _executor(instance, progress, is_debugging=is_debugging)
                results = []
                # Readers get days and months together.
                with _published_at_the_end(settings):
                    for subject in subjects:
                        daily = execute(defs.resolve_job_def(subject.job_name(DAILY)), days)
                        results.append(daily)
                        if daily.success and subject.months is not None:
                            job = defs.resolve_job_def(subject.job_name(MONTHLY))
                            months = months_after(warehouse, subject.months, CALENDAR, days)
                            results.append(execute(job, months))
    except dg.DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None
    if progress.is_interrupted:
        raise KeyboardInterrupt
    seconds = time.monotonic() - started
    return _conclude(console, settings, subjects, days, progress, view, results, seconds)


@contextmanager
def _published_at_the_end(settings: "Settings") -> Iterator[None]:
    """Publish once after several runs, whatever came of them."""
    from harvey_pipeline.definitions import CALENDAR, SUBJECTS, build_resources, tables_of
    from harvey_pipeline.warehouse.publishing import publish_after_run

    warehouse, _ = build_resources(settings, CALENDAR)
    with warehouse.kept_open():
        try:
            yield
        finally:
            publish_after_run(warehouse, tables_of(SUBJECTS))


def _executor(
    instance: "dg.DagsterInstance", progress: "RunProgress", *, is_debugging: bool
) -> Callable[["dg.JobDefinition", "DayRange"], "dg.ExecuteInProcessResult"]:
    """How a job is run for a range of its partitions, with its progress shown."""
    from harvey_pipeline.graph.partitions import range_tags
    from harvey_pipeline.warehouse.io_managers import PUBLISHED_LATER_TAG

    def execute(job: "dg.JobDefinition", keys: "DayRange") -> "dg.ExecuteInProcessResult":
        run_id = str(uuid.uuid4())
        instance.add_event_listener(run_id, progress.take_event)
        return job.execute_in_process(
            instance=instance,
            run_id=run_id,
            tags={**range_tags(keys), PUBLISHED_LATER_TAG: "true"},
            run_config=_log_config(is_debugging=is_debugging),
            raise_on_error=False,
        )

    return execute


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
    settings: "Settings",
    subjects: Sequence["Subject"],
    days: "DayRange",
    progress: "RunProgress",
    view: "View",
    results: Sequence["dg.ExecuteInProcessResult"],
    seconds: float,
) -> int:
    """Show how a run came out, and return the exit code."""
    view.conclude()
    checks = progress.failed_checks()
    failures = progress.failures
    for line in (
        *show.check_lines(checks, console.width),
        *(show.describe_failure(failure) for failure in failures),
    ):
        show.say(console, line)
    for subject in subjects:
        _show_headline(console, settings, subject, days.last, progress)
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
    day: date,
    progress: "RunProgress",
) -> None:
    from harvey_pipeline.definitions import CALENDAR, build_resources
    from harvey_pipeline.warehouse.days import DayRange

    headline = subject.headline
    if headline is None:
        return
    computed = progress.assets.get(headline.table.name)
    if computed is None or computed.rows is None:
        return
    warehouse, _ = build_resources(settings, CALENDAR)
    rows = warehouse.read(headline.table, DayRange(day, day)).collect()
    console.print(Text(f"\n{headline.title} of {day}", style="bold"), end="\n\n")
    for row in rows.iter_rows(named=True):
        console.print(show.headline_table(headline.groups, row))
