"""How long the pipeline takes, asset by asset, and what it costs; no part of the test run.

    python -m harvey_pipeline_tests.benchmarks.benchmark export small big

Makes synthetic landing folders of the sizes that are named, computes all but the last days of each
with `harvey run` in a fresh process, and then the last days one by one. Prints, for the first run
and the quickest of the others: seconds of the process and its parts, the peak memory of the
process, and the size of DAGSTER_HOME. `--folder` keeps the landing folders for the next time.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from harvey_pipeline.engagement.sample import SampleSpec, write_sample

FIRST: Final = date(2024, 4, 1)

_DROPS: Final[dict[str, Any]] = {"start": FIRST, "dirty": 0.0}

SIZES: Final = {
    "export": SampleSpec(users=2_948, firms=60, days=86, events_per_day=219, **_DROPS),
    "small": SampleSpec(users=3_000, firms=60, days=91, events_per_day=2_000, **_DROPS),
    "big": SampleSpec(users=50_000, firms=400, days=91, events_per_day=200_000, **_DROPS),
    "year": SampleSpec(users=50_000, firms=400, days=365, events_per_day=200_000, **_DROPS),
    "large": SampleSpec(users=200_000, firms=800, days=91, events_per_day=1_000_000, **_DROPS),
}
"""`export` is delivered as one file for each source, the others as daily drops."""


@dataclass(frozen=True)
class Measured:
    """A process that computed something: seconds, by step too, and megabytes."""

    process: float
    start: float
    """From the start of the process to the start of its first run."""
    runs: float
    """From the start of its first run to the end of the last one."""
    event_log: float
    """Spent on storing Dagster's events, within and outside of steps."""
    steps: dict[str, float]
    peak: float

    @property
    def checks(self) -> float:
        return sum(seconds for step, seconds in self.steps.items() if step.endswith("_checks"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sizes", nargs="*", choices=[*SIZES, []], help="export, small, big")
    parser.add_argument("--folder", type=Path, help="where landing folders are kept")
    parser.add_argument("--repeats", type=int, default=2, help="last days that are run one by one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harvey-benchmark-") as scratch:
        folder = options.folder or Path(scratch)
        for size in options.sizes or ["export", "small", "big"]:
            measure_size(size, make_landing(size, folder), Path(scratch) / size, options.repeats)


def make_landing(size: str, folder: Path) -> Path:
    """The landing folder of a size, made unless it is there."""
    landing = folder / f"landing-{size}"
    if not landing.exists():
        partial = folder / f"landing-{size}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        print(f"making {landing}", flush=True)
        write_sample(partial, SIZES[size])
        if size == "export":
            join_drops(partial)
        partial.rename(landing)
    return landing


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


def measure_size(size: str, landing: Path, place: Path, repeats: int) -> None:
    spec = SIZES[size]
    days = [FIRST + timedelta(days=number) for number in range(spec.days)]
    first_run, alone = days[: spec.days - repeats], days[spec.days - repeats :]
    named = f"{size}: {len(first_run)} days x {spec.events_per_day:,} events, {spec.users:,} users"
    report(named, run_harvey(landing, place, first_run[0], first_run[-1]), place)
    again = [run_harvey(landing, place, day, day) for day in alone]
    if again:
        best = min(again, key=lambda one: one.process)
        listed = ", ".join(f"{one.process:.1f}" for one in again)
        report(f"{size}: one more day (runs: {listed} s)", best, place)


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
    started_at, started = time.time(), time.perf_counter()
    process = subprocess.Popen(
        [*command, "run", "--from", str(first), "--to", str(last)],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    # Unlike `wait` it tells the peak memory of this very process.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"`harvey run` ended with exit code {process.returncode}")
    measured = json.loads(told.read_text())
    return Measured(
        process=seconds,
        start=measured["started_at"] - started_at,
        runs=measured["ended_at"] - measured["started_at"],
        event_log=measured["event_log"],
        steps=measured["steps"],
        peak=usage.ru_maxrss / 1024,
    )


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

    with dg.DagsterInstance.get() as instance:
        records = [one for one in instance.get_run_records() if (one.start_time or 0.0) >= began]
        stats = [
            one
            for record in reversed(records)
            for one in instance.get_run_step_stats(record.dagster_run.run_id)
        ]
    return {
        "started_at": min(record.start_time or 0.0 for record in records),
        "ended_at": max(record.end_time or 0.0 for record in records),
        "steps": {
            one.step_key: one.end_time - one.start_time
            for one in stats
            if one.start_time and one.end_time
        },
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
        ("end: publishing, telling", measured.process - measured.start - measured.runs),
        ("the process", measured.process),
    ):
        print(f"  {name:40} {seconds:7.2f} s")
    print(f"  {'peak memory':40} {measured.peak:7.0f} MB")
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
