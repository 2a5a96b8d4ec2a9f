"""How long the pipeline takes, asset by asset, and what it costs; no part of the test run.

    python -m harvey_pipeline_tests.benchmarks.benchmark export small big agents
    python -m harvey_pipeline_tests.benchmarks.benchmark segments conversations --scale 0.1

Makes synthetic landing folders of the sizes that are named, computes each but its last days with
`harvey run` in a fresh process, and then what is due of each of the last days. Prints, for each of
the two: seconds of the process and its parts, the peak memory of the process, and the size of
DAGSTER_HOME. `--folder` keeps the landing folders for the next time, `--scale` makes them smaller
or larger: users and records grow by it, days do not.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import polars as pl

from harvey_pipeline.agents import sample as agents
from harvey_pipeline.conversations import sample as conversations
from harvey_pipeline.conversations.sample_spec import SampleSpec as ConversationsSpec
from harvey_pipeline.engagement import sample as engagement
from harvey_pipeline.segments import sample as segments
from harvey_pipeline.segments.sample_spec import SampleSpec as SegmentsSpec

FIRST: Final = date(2024, 4, 1)


def _engagement(days: int, events: int, users: int, firms: int) -> engagement.SampleSpec:
    return engagement.SampleSpec(
        users=users, firms=firms, days=days, events_per_day=events, dirty=0.0, start=FIRST
    )


def _agents(days: int) -> agents.SampleSpec:
    return agents.SampleSpec(
        days=days,
        approvals=100_000,
        queries=200_000,
        annotations=10_000,
        shops=5_000,
        dirty=0.0,
        start=FIRST,
    )


@dataclass(frozen=True)
class Apps:
    """The product's own events and sign-ins to other apps, of the same users and days."""

    product: engagement.SampleSpec
    others: SegmentsSpec

    @property
    def days(self) -> int:
        return self.product.days


Args = ParamSpec("Args")
Result = TypeVar("Result")

Spec = engagement.SampleSpec | agents.SampleSpec | ConversationsSpec | Apps


def _apps(days: int, events: int, sso_events: int, users: int, firms: int) -> Apps:
    return Apps(
        _engagement(days, events, users, firms),
        SegmentsSpec(
            users=users,
            firms=firms,
            days=days,
            sso_events=sso_events,
            sso_users=users,
            labels=users // 5,
            starts=users // 5,
            dirty=0.0,
            start=FIRST,
        ),
    )


def _conversations(days: int, events: int, people: int) -> ConversationsSpec:
    return ConversationsSpec(
        users=people,
        people=people,
        days=days,
        events=events,
        dirty=0.0,
        long_percent=30,
        start=FIRST,
    )


SIZES: Final[dict[str, Spec]] = {
    "export": _engagement(86, events=219, users=2_948, firms=60),
    "small": _engagement(93, events=2_000, users=3_000, firms=60),
    "big": _engagement(93, events=200_000, users=50_000, firms=400),
    "year": _engagement(367, events=200_000, users=50_000, firms=400),
    "large": _engagement(93, events=1_000_000, users=200_000, firms=800),
    "agents-few": _agents(20),
    "agents": _agents(92),
    "conversations": _conversations(92, events=500_000, people=50_000),
    "segments": _apps(180, events=200_000, sso_events=500_000, users=50_000, firms=400),
}
"""`export` is delivered as one file for each source, the others as daily drops."""

_SCALED: Final = (
    *("users", "firms", "events_per_day"),
    *("approvals", "queries", "annotations", "shops"),
    *("sso_events", "sso_users", "labels", "starts"),
    *("events", "people"),
)
"""What of a spec grows with the scale."""

_LEAST: Final = {"users": engagement.MIN_USERS, "firms": engagement.MIN_FIRMS} | dict.fromkeys(
    ("events_per_day", "shops"), engagement.MIN_EVENTS
)


def scaled(spec: Spec, scale: float) -> Spec:
    """The spec with so many times the users and records, but no fewer than there have to be."""
    if isinstance(spec, Apps):
        return Apps(_scaled(spec.product, scale), _scaled(spec.others, scale))
    if isinstance(spec, agents.SampleSpec):
        return _scaled(spec, scale)
    if isinstance(spec, ConversationsSpec):
        return _scaled(spec, scale)
    return _scaled(spec, scale)


Sample = TypeVar(
    "Sample", engagement.SampleSpec, agents.SampleSpec, SegmentsSpec, ConversationsSpec
)


def _scaled(spec: Sample, scale: float) -> Sample:
    sizes = {
        name: max(_LEAST.get(name, 1), round(getattr(spec, name) * scale))
        for name in _SCALED
        if hasattr(spec, name)
    }
    return replace(spec, **sizes)


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds, seconds of all processors, megabytes at its peak."""

    seconds: float
    processors: float
    """Other work on the machine hardly changes it."""
    peak: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, {self.processors:.2f} s of processors, {self.peak:.0f} MB"


@dataclass(frozen=True)
class Measured:
    """A process that computed something: what it took, and seconds by step."""

    process: Cost
    start: float
    """From the start of the process to the start of its first run."""
    runs: float
    """From the start of its first run to the end of the last one."""
    event_log: float
    """Spent on storing Dagster's events, within and outside of steps."""
    steps: dict[str, float]

    @property
    def checks(self) -> float:
        return sum(seconds for step, seconds in self.steps.items() if step.endswith("_checks"))

    @property
    def parsing(self) -> float:
        """Of the raw assets: drops read, typed, judged and stored."""
        return sum(
            seconds
            for step, seconds in self.steps.items()
            if step.startswith("raw__") and not step.endswith("_checks")
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sizes", nargs="*", choices=[*SIZES, []], help="; ".join(SIZES))
    parser.add_argument("--folder", type=Path, help="where landing folders are kept")
    parser.add_argument("--repeats", type=int, default=2, help="last days, each by itself")
    parser.add_argument("--scale", type=float, default=1.0, help="times the users and records")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harvey-benchmark-") as scratch:
        folder = options.folder or Path(scratch)
        for size in options.sizes or ["export", "small", "big"]:
            spec = scaled(SIZES[size], options.scale)
            name = size if options.scale == 1 else f"{size}-x{options.scale:g}"
            landing = apart(make_landing, name, spec, folder)
            measure_size(name, spec, landing, Path(scratch) / name, options.repeats)


def apart(function: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
    """Call a function in a process of its own.

    The peak memory that is told of a process is never below that of the one which started it, up
    to then. So whatever takes memory is not done here.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, *args, **kwargs).result()


def make_landing(name: str, spec: Spec, folder: Path) -> Path:
    """The landing folder of a size, made unless it is there."""
    landing = folder / f"landing-{name}"
    if not landing.exists():
        partial = folder / f"landing-{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        print(f"making {landing}", flush=True)
        write_sample(partial, spec)
        if name.startswith("export"):
            join_drops(partial)
        partial.rename(landing)
    return landing


def write_sample(landing: Path, spec: Spec) -> None:
    if isinstance(spec, Apps):
        engagement.write_sample(landing, spec.product)
        segments.write_sample(landing, spec.others)
    elif isinstance(spec, agents.SampleSpec):
        agents.write_sample(landing, spec)
    elif isinstance(spec, ConversationsSpec):
        conversations.write_sample(landing, spec)
    else:
        engagement.write_sample(landing, spec)


def join_drops(landing: Path) -> None:
    """Make a bulk export of daily drops: all events, and the last snapshots."""
    for source in ("users", "firms", "events"):
        drops = sorted((landing / source).iterdir())
        parts = drops if source == "events" else drops[-1:]
        frames = [
            pl.read_parquet(drop)
            if drop.suffix == ".parquet"
            else pl.read_csv(drop, infer_schema=False)
            for drop in parts
        ]
        texts = [frame.select(pl.all().cast(pl.String)) for frame in frames]
        pl.concat(texts, how="diagonal").write_csv(landing / f"{source}.csv")
        shutil.rmtree(landing / source)


def measure_size(name: str, spec: Spec, landing: Path, place: Path, repeats: int) -> None:
    last = FIRST + timedelta(days=spec.days - repeats - 1)
    named = f"{name}: {spec.days - repeats} days x {rows_of(spec)}"
    whole = run_harvey(landing, place, FIRST, last)
    report(named, whole, place)
    again = [
        run_harvey(landing, place, FIRST, last + timedelta(days=number + 1))
        for number in range(repeats)
    ]
    if again:
        best = min(again, key=lambda one: one.process.seconds)
        listed = ", ".join(f"{one.process.seconds:.1f}" for one in again)
        report(f"{name}: one more day (runs: {listed} s)", best, place)


def rows_of(spec: Spec) -> str:
    """What a day brings, in words."""
    if isinstance(spec, Apps):
        return f"{rows_of(spec.product)}, {spec.others.sso_events:,} sign-ins"
    if isinstance(spec, agents.SampleSpec):
        return f"{spec.approvals:,} drafts, {spec.queries:,} queries, {spec.shops:,} shops"
    if isinstance(spec, ConversationsSpec):
        long = f"{spec.long_percent} % of 500 characters"
        return f"{spec.events:,} events, {long}, {spec.people:,} people"
    return f"{spec.events_per_day:,} events, {spec.users:,} users"


def run_harvey(landing: Path, place: Path, first: date, last: date) -> Measured:
    """Compute a range of days in a fresh process."""
    place.mkdir(parents=True, exist_ok=True)
    told = place / "told.json"
    environment = os.environ | {
        "HARVEY_LANDING_DIR": str(landing),
        "HARVEY_WAREHOUSE": str(place / "warehouse.duckdb"),
        "DAGSTER_HOME": str(place / "dagster_home"),
    }
    command = [sys.executable, "-c", f"from {__spec__.name} import work; work()", str(told)]
    started_at = time.time()
    code, cost = run_to_end(
        [*command, "run", "--from", str(first), "--to", str(last)],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    if code not in (0, 1):
        raise SystemExit(f"`harvey run` ended with exit code {code}")
    measured = json.loads(told.read_text())
    return Measured(
        process=cost,
        start=measured["started_at"] - started_at,
        runs=measured["ended_at"] - measured["started_at"],
        event_log=measured["event_log"],
        steps=measured["steps"],
    )


def run_to_end(command: Sequence[str], **options: Any) -> tuple[int, Cost]:
    """The exit code of a process, begun with options of `subprocess.Popen`, and what it took."""
    started = time.perf_counter()
    process = subprocess.Popen(command, **options)
    # Unlike `wait` it tells the peak memory of this very process.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    cost = Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    return process.returncode, cost


def work() -> None:
    """Carry out a `harvey` command line, and write down what it took; ends the process."""
    from harvey_pipeline.cli import APP
    from harvey_pipeline.cli.app import run_command
    from harvey_pipeline.graph.event_log import KeptOpenSqliteEventLogStorage

    told, *arguments = sys.argv[1:]
    spent = 0.0
    store = KeptOpenSqliteEventLogStorage.store_event_batch

    def store_timed(*args: Any) -> None:
        nonlocal spent
        started = time.perf_counter()
        store(*args)
        spent += time.perf_counter() - started

    began = time.time()
    KeptOpenSqliteEventLogStorage.store_event_batch = store_timed  # type: ignore[assignment,method-assign]
    code = run_command(APP, arguments)
    Path(told).write_text(json.dumps({**read_runs(began), "event_log": spent}))
    sys.stdout.flush()
    os._exit(code)


def read_runs(began: float) -> dict[str, Any]:
    """What Dagster recorded of the runs since then: when they ran, and seconds by step."""
    import dagster as dg

    steps: dict[str, float] = {}
    with dg.DagsterInstance.get() as instance:
        records = [one for one in instance.get_run_records() if (one.start_time or 0.0) >= began]
        for record in reversed(records):
            for one in instance.get_run_step_stats(record.dagster_run.run_id):
                if one.start_time and one.end_time:
                    seconds = one.end_time - one.start_time
                    steps[one.step_key] = steps.get(one.step_key, 0.0) + seconds
    return {
        "started_at": min(record.start_time or 0.0 for record in records),
        "ended_at": max(record.end_time or 0.0 for record in records),
        "steps": steps,
    }


def report(title: str, measured: Measured, place: Path) -> None:
    print(f"\n{title}")
    for step, seconds in measured.steps.items():
        if not step.endswith("_checks"):
            print(f"  {step.replace('__', '.', 1):40} {seconds:7.2f} s")
    outside = measured.runs - sum(measured.steps.values())
    for name, seconds in (
        ("all checks", measured.checks),
        ("Dagster between the steps", outside),
        ("Dagster's event log, of all of these", measured.event_log),
        ("start of the process", measured.start),
        ("end: publishing, telling", measured.process.seconds - measured.start - measured.runs),
        ("the process", measured.process.seconds),
        ("the process, on all processors", measured.process.processors),
    ):
        print(f"  {name:40} {seconds:7.2f} s")
    share = 100 * measured.parsing / measured.runs
    print(f"  {'parsing drops, of the runs':40} {share:7.1f} %")
    print(f"  {'peak memory':40} {measured.process.peak:7.0f} MB")
    print(f"  {'warehouse, raw files':40} {size_of(place, 'warehouse'):7.0f} MB")
    print(f"  {'DAGSTER_HOME':40} {size_of(place, 'dagster_home'):7.0f} MB", flush=True)


def size_of(place: Path, prefix: str) -> float:
    """Megabytes of all files and folders whose names begin so."""
    return (
        sum(
            path.stat().st_size
            for path in place.rglob("*")
            if path.is_file() and path.relative_to(place).parts[0].startswith(prefix)
        )
        / 1e6
    )


if __name__ == "__main__":
    main()
