"""The `harvey` command: the same job, instance and definitions as in Dagster's UI, from a shell.

What takes long to import is imported where a command needs it, for two reasons: `harvey --help`
and `harvey sample` answer at once, and the calendar is read from the environment when the graph
is imported, which has to happen after the options have been put there.
"""

import argparse
import gc
import json
import logging
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    import dagster as dg

    from harvey_pipeline.resources import Calendar, Settings
    from harvey_pipeline.terminal import RunProgress
    from harvey_pipeline.warehouse import DayRange, Warehouse

_OK: Final = 0
_FAILED: Final = 1
_UNUSABLE: Final = 2
_INTERRUPTED: Final = 130

_ENVIRONMENT: Final[Mapping[str, tuple[str, str]]] = {
    "landing_dir": ("HARVEY_LANDING_DIR", "folder in which drops arrive"),
    "warehouse": ("HARVEY_WAREHOUSE", "DuckDB file of everything after raw"),
    "start_date": ("HARVEY_START_DATE", "first day of the calendar"),
    "end_date": ("HARVEY_END_DATE", "last day of the calendar"),
    "dagster_home": ("DAGSTER_HOME", "folder of Dagster's runs and settings"),
}
"""Options that stand for an environment variable."""

_DEFAULT_LANDING_DIR: Final = "data/landing"

_DAGSTER_YAML: Final = """\
telemetry:
  enabled: false

# The warehouse takes one writing process at a time.
concurrency:
  runs:
    max_concurrent_runs: 1

# As Dagster's own, in the same files, but several times as fast.
event_log_storage:
  module: harvey_pipeline.event_log
  class: KeptOpenSqliteEventLogStorage
  config:
    base_dir: {events}

# Assets print nothing: what they have to say is in the event log.
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""

_UI_ANSWERS_WITHIN: Final = 120.0
_UI_POLL_SECONDS: Final = 0.5


class _UnusableError(Exception):
    """Arguments, settings or landing data that cannot be used; the message says what to do."""


def main() -> NoReturn:
    """The console script."""
    code = run_command(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is closed by now. polars keeps references beyond the interpreter's end, so that
    # DuckDB's bindings would report leaked objects on stderr if it ended in the ordinary way.
    os._exit(code)


def run_command(arguments: Sequence[str]) -> int:
    """Carry out a command line and return its exit code."""
    options = _build_parser().parse_args(arguments)
    try:
        for option, (variable, _) in _ENVIRONMENT.items():
            if getattr(options, option, None) is not None:
                os.environ[variable] = getattr(options, option)
        with _without_noise(is_debugging=options.debug):
            return int(options.command(options))
    except _UnusableError as error:
        _complain(str(error))
        if options.debug:
            raise
        return _UNUSABLE
    except KeyboardInterrupt:
        _complain("interrupted. Days that were done stay done; run again to go on.")
        return _INTERRUPTED
    except Exception as error:
        if options.debug:
            raise
        _complain(f"{type(error).__name__}: {error}. Add --debug to see where it comes from.")
        return _FAILED


def _build_parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show tracebacks and Dagster's log")
    settings = argparse.ArgumentParser(add_help=False)
    group = settings.add_argument_group("settings")
    for option, (variable, meaning) in _ENVIRONMENT.items():
        group.add_argument(
            f"--{option.replace('_', '-')}", metavar="X", help=f"{meaning} (or set {variable})"
        )

    parser = argparse.ArgumentParser(prog="harvey", description="Product analytics from drops.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser(
        "run", parents=[common, settings], help="compute everything for a range of days"
    )
    run.add_argument("--from", dest="first", metavar="DAY", help="first day (YYYY-MM-DD)")
    run.add_argument("--to", dest="last", metavar="DAY", help="last day (YYYY-MM-DD)")
    run.set_defaults(command=_run)

    ui = commands.add_parser("ui", parents=[common, settings], help="open Dagster's UI")
    ui.add_argument("--host", default="127.0.0.1")
    ui.add_argument("--port", type=int, default=3000)
    ui.set_defaults(command=_ui)

    sample = commands.add_parser("sample", parents=[common], help="make synthetic drops")
    for name in ("users", "firms", "days", "events-per-day", "seed"):
        sample.add_argument(f"--{name}", type=int, metavar="N")
    sample.add_argument("--dirty", type=float, metavar="SHARE", help="share of broken rows")
    sample.add_argument("--out", type=Path, metavar="DIR", help="default: the landing folder")
    sample.set_defaults(command=_sample)
    return parser


@contextmanager
def _without_noise(*, is_debugging: bool) -> Iterator[None]:
    """Keep library warnings, Dagster's Beta ones among them, from the user unless wanted."""
    if is_debugging or sys.warnoptions:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _complain(message: str) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(Text.assemble(("harvey: ", "bold red"), message), soft_wrap=True)


# --- harvey run ----------------------------------------------------------------------------------


def _run(options: argparse.Namespace) -> int:
    with _no_garbage_collection():
        settings, found = _look_into_landing()
        prepare_dagster_home(settings)

        from harvey_pipeline.partitions import CALENDAR

        days = _choose_days(options.first, options.last, found, CALENDAR)

        from harvey_pipeline.definitions import defs

        jobs = [defs.resolve_job_def(name) for name in ("daily", "monthly")]
    with _own_stdout() as console:
        return _run_days(console, settings, jobs, days, is_debugging=options.debug)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Import without looking for garbage: imports make none, and looking takes a fifth of them."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _look_into_landing() -> tuple["Settings", "DayRange"]:
    """The settings, and the days for which there is anything to run."""
    from harvey_pipeline.landing import LandingError
    from harvey_pipeline.resources import SettingsError, days_in_landing, read_settings

    try:
        settings = read_settings()
        if not settings.landing_dir.is_dir():
            raise _UnusableError(
                f"landing folder {settings.landing_dir.absolute()} does not exist. Set "
                f"HARVEY_LANDING_DIR or --landing-dir to the folder that holds users, firms and "
                f"events, or make some data with `harvey sample`."
            )
        found = days_in_landing(settings)
    except (LandingError, SettingsError) as error:
        raise _UnusableError(str(error)) from error
    if found is None:
        within = " within the calendar that is set" if settings.start_date else ""
        raise _UnusableError(
            f"no day to run{within}: {settings.landing_dir.absolute()} holds no drops such as "
            f"events/2024-04-01.csv. Deliver some, point HARVEY_LANDING_DIR or --landing-dir "
            f"elsewhere, or make some data with `harvey sample`."
        )
    return settings, found


def _choose_days(
    first: str | None, last: str | None, found: "DayRange", calendar: "Calendar"
) -> "DayRange":
    """The range asked for; without one, every day found."""
    from harvey_pipeline.resources import last_whole_day
    from harvey_pipeline.warehouse import DayRange

    end = min(calendar.last or last_whole_day(), last_whole_day())
    known = f"The calendar goes from {calendar.first} to {end}"

    def read(option: str, text: str | None, default: date) -> date:
        if text is None:
            return default
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise _UnusableError(f"{option} {text} is no day; give YYYY-MM-DD. {known}.") from None
        if not calendar.first <= day <= end:
            raise _UnusableError(
                f"{option} {text} lies outside the calendar. {known}; set HARVEY_START_DATE or "
                f"HARVEY_END_DATE (--start-date, --end-date) to widen it."
            )
        return day

    begin = read("--from", first, found.first)
    until = read("--to", last, found.last)
    if until < begin:
        raise _UnusableError(f"the range ends ({until}) before it starts ({begin}). {known}.")
    return DayRange(begin, until)


def prepare_dagster_home(settings: "Settings") -> None:
    """Make sure that Dagster's folder is there; one that is new or empty gets settings of ours."""
    given = os.environ.get("DAGSTER_HOME")
    home = Path(given).expanduser() if given else settings.warehouse.with_name("dagster_home")
    home = home.absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not any(home.iterdir()):
            # A JSON string is a YAML string whatever the path holds.
            events = json.dumps(str(home / "history" / "runs"))
            (home / "dagster.yaml").write_text(_DAGSTER_YAML.format(events=events))
    except OSError as error:
        raise _UnusableError(
            f"{home} cannot be made: {error.strerror}. Set DAGSTER_HOME or --dagster-home to a "
            f"folder that can be written."
        ) from error
    os.environ["DAGSTER_HOME"] = str(home)


@contextmanager
def _own_stdout() -> Iterator[Console]:
    """A console on a duplicate of stdout.

    Dagster may capture what steps print by pointing stdout elsewhere for the time of a step, and
    progress has to be seen nevertheless.
    """
    sys.stdout.flush()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", errors="replace") as file:
        console = Console(file=file, highlight=False)
        if not console.is_terminal:
            console = Console(file=file, highlight=False, width=100)
        yield console


def _run_days(
    console: Console,
    settings: "Settings",
    jobs: Sequence["dg.JobDefinition"],
    days: "DayRange",
    *,
    is_debugging: bool,
) -> int:
    """Run the daily job for the days and, if it succeeds, the monthly one for their months."""
    import dagster as dg

    from harvey_pipeline.automation import months_after
    from harvey_pipeline.partitions import CALENDAR
    from harvey_pipeline.resources import build_resources
    from harvey_pipeline.terminal import RunProgress, live_or_plain
    from harvey_pipeline.transforms.months import months_of

    daily, monthly = jobs
    warehouse, _ = build_resources(settings, CALENDAR)
    counts = (len(days.days), len(months_of(days.first, days.last)))
    told = " in ".join((_plural(counts[0], "day"), _plural(counts[1], "month")))
    _say(console, f"Running {days} ({told}) of {settings.landing_dir}")
    started = time.monotonic()
    steps = {
        node.name: count
        for job, count in zip(jobs, counts, strict=True)
        for node in job.nodes_in_topological_order
    }
    is_live = console.is_terminal and not is_debugging
    try:
        with (
            dg.DagsterInstance.get() as instance,
            live_or_plain(console, is_live=is_live) as view,
        ):
            progress = RunProgress(view, steps)
            with _listening(progress, view.note):
                execute = _executor(instance, progress, is_debugging=is_debugging)
                # Readers get days and months together.
                with _published_at_the_end(warehouse):
                    results = [execute(daily, days)]
                    if results[0].success:
                        results.append(execute(monthly, months_after(warehouse, days)))
    except dg.DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None
    if progress.is_interrupted:
        raise KeyboardInterrupt
    seconds = time.monotonic() - started
    return _conclude(console, settings, days, progress, results, seconds)


@contextmanager
def _published_at_the_end(warehouse: "Warehouse") -> Iterator[None]:
    """Publish once after several runs, whatever came of them."""
    from harvey_pipeline.publishing import publish

    try:
        yield
    finally:
        publish(warehouse)


def _executor(
    instance: "dg.DagsterInstance", progress: "RunProgress", *, is_debugging: bool
) -> Callable[["dg.JobDefinition", "DayRange"], "dg.ExecuteInProcessResult"]:
    """How a job is run for a range of its partitions, with its progress shown."""
    from harvey_pipeline.io_managers import PUBLISHED_LATER_TAG
    from harvey_pipeline.partitions import range_tags

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
    from harvey_pipeline.progress import progress_logger

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
    days: "DayRange",
    progress: "RunProgress",
    results: Sequence["dg.ExecuteInProcessResult"],
    seconds: float,
) -> int:
    """Show how a run came out, and return the exit code."""
    from harvey_pipeline import terminal

    console.print(terminal.asset_table(list(progress.assets.values())))
    checks = progress.failed_checks()
    descriptions = _check_descriptions() if checks else {}
    for check in sorted(checks, key=lambda one: not one.is_warning):
        text = terminal.describe_check(check, descriptions.get((check.asset, check.name), ""))
        console.print(text, soft_wrap=True)
    for failure in progress.failures:
        console.print(terminal.describe_failure(failure), soft_wrap=True)
    _show_kpis(console, settings, days.last, progress)
    is_success = all(result.success for result in results)
    outcome = ("Done", "bold green") if is_success else ("Failed", "bold red")
    where = " and ".join(f"run {result.run_id}" for result in results)
    console.print(
        Text.assemble(outcome, f" in {seconds:.1f} s ({where}; see `harvey ui`)"), soft_wrap=True
    )
    if is_success:
        return _OK
    is_unusable = any(failure.kind == "LandingError" for failure in progress.failures)
    return _UNUSABLE if is_unusable else _FAILED


def _check_descriptions() -> dict[tuple[str, str], str]:
    from harvey_pipeline.checks import all_table_checks

    return {
        (table.table, check.name): check.description
        for table in all_table_checks()
        for check in table.checks
    }


def _show_kpis(console: Console, settings: "Settings", day: date, progress: "RunProgress") -> None:
    from harvey_pipeline import terminal
    from harvey_pipeline.partitions import CALENDAR
    from harvey_pipeline.resources import build_resources
    from harvey_pipeline.warehouse import DayRange

    name = "marts.harvey_analytics_dashboard"
    if name not in progress.assets or progress.assets[name].rows is None:
        return
    warehouse, _ = build_resources(settings, CALENDAR)
    rows = warehouse.read(name, DayRange(day, day)).collect()
    console.print(Text(f"KPIs of {day}", style="bold"), end="\n\n")
    for row in rows.iter_rows(named=True):
        console.print(terminal.kpi_table(row))


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + "s" * (count != 1)


# --- harvey ui -----------------------------------------------------------------------------------


def _ui(options: argparse.Namespace) -> int:
    from harvey_pipeline.resources import SettingsError, read_settings

    try:
        settings = read_settings()
    except SettingsError as error:
        raise _UnusableError(str(error)) from error
    prepare_dagster_home(settings)
    dagster = Path(sys.executable).with_name("dagster")
    if not dagster.exists():
        raise _UnusableError(
            f"{dagster} does not exist. Install dagster-webserver with this package."
        )
    environment = os.environ | {
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        # Its processes import this package, which may be a checkout that is not installed.
        "PYTHONPATH": os.pathsep.join(
            [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
    }
    if not options.debug:
        environment.setdefault("PYTHONWARNINGS", "ignore")
    command = [str(dagster), "dev", "-m", "harvey_pipeline.definitions"]
    process = subprocess.Popen(
        [*command, "--host", options.host, "--port", str(options.port)], env=environment
    )
    return _attend(process, f"http://{options.host}:{options.port}")


def _attend(process: subprocess.Popen[bytes], address: str) -> int:
    """Pass signals on to the UI, say when it answers, and wait for its end."""
    stopped_by: list[int] = []

    def stop(number: int, _frame: object) -> None:
        stopped_by.append(number)
        if process.poll() is None:
            process.send_signal(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if _wait_until_it_answers(process, address):
            _say(Console(highlight=False), f"Dagster's UI is at {address}. Ctrl-C stops it.")
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopped_by:
        return 128 + stopped_by[0]
    return _OK if code == 0 else _FAILED


def _wait_until_it_answers(process: subprocess.Popen[bytes], address: str) -> bool:
    deadline = time.monotonic() + _UI_ANSWERS_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=_UI_POLL_SECONDS):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(_UI_POLL_SECONDS)
    return False


# --- harvey sample -------------------------------------------------------------------------------


def _sample(options: argparse.Namespace) -> int:
    from rich.progress import Progress

    from harvey_pipeline.sample import SampleSpec, write_sample

    names = ("users", "firms", "days", "events_per_day", "seed", "dirty")
    given = {name: getattr(options, name) for name in names}
    out = options.out or Path(os.environ.get("HARVEY_LANDING_DIR") or _DEFAULT_LANDING_DIR)
    console = Console(highlight=False)
    try:
        spec = SampleSpec(**{name: value for name, value in given.items() if value is not None})
        if console.is_terminal:
            with Progress(console=console, transient=True) as progress:
                task = progress.add_task("Writing drops", total=spec.days)
                write_sample(out, spec, on_day=lambda _: progress.advance(task))
        else:
            write_sample(out, spec)
    except (ValueError, OSError) as error:
        raise _UnusableError(str(error)) from error
    last = spec.day(spec.days - 1)
    _say(console, f"{_plural(spec.days, 'day')} of drops, {spec.start} to {last}, are in {out}.")
    return _OK
