"""How long the pipeline takes, asset by asset, and what it costs; no part of the test run.

    python -m harvey_pipeline_tests.benchmarks.benchmark --events-per-day 200000 --users 50000

Makes synthetic drops, then runs them in fresh processes: the whole range once without and once
with Dagster's event log on disk, and one more day early (day 10) and late (day 90) in a warehouse
that was filled up to there. Prints seconds per asset, Dagster's share, the peak memory of the
process, the size of the warehouse, and day 10 against day 90 as `harvey run` takes them, process
start included.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from harvey_pipeline.engagement.sample import SampleSpec, write_sample

FIRST = date(2024, 4, 1)


def main() -> None:
    options = _read_options()
    if options.worker:
        print(json.dumps(_run_range(date.fromisoformat(options.worker), options.days)))
        return
    folder = Path(options.folder or tempfile.mkdtemp(prefix="harvey-benchmark-"))
    landing = folder / "landing"
    if not landing.exists():
        print(f"Making {options.days} days of drops in {landing}", flush=True)
        write_sample(
            landing,
            SampleSpec(
                users=options.users,
                firms=options.firms,
                days=options.days,
                events_per_day=options.events_per_day,
                dirty=options.dirty,
                start=FIRST,
            ),
        )
    print(f"{_size(landing):,.0f} MB of drops", flush=True)
    for with_log in (False, True):
        name = "with" if with_log else "without"
        _report(f"{options.days} days {name} Dagster's event log", _time_range(folder, with_log))
    for day in (10, 90):
        if day <= options.days:
            seconds = _time_one_more_day(folder, day, options.repeats)
            listed = ", ".join(f"{one:.1f}" for one in seconds)
            print(f"day {day} more, by `harvey run`: {min(seconds):.1f} s (runs: {listed})")
    if not options.folder:
        shutil.rmtree(folder)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--firms", type=int, default=400)
    parser.add_argument("--days", type=int, default=91)
    parser.add_argument("--events-per-day", type=int, default=200_000)
    parser.add_argument("--dirty", type=float, default=0.0, help="share of broken rows")
    parser.add_argument("--repeats", type=int, default=3, help="runs of one more day")
    parser.add_argument("--folder", help="keep drops and warehouses here, and use them again")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def _environment(folder: Path, name: str, last: date) -> dict[str, str]:
    return os.environ | {
        "HARVEY_LANDING_DIR": str(folder / "landing"),
        "HARVEY_WAREHOUSE": str(folder / name / "warehouse.duckdb"),
        "HARVEY_START_DATE": str(FIRST),
        "HARVEY_END_DATE": str(last),
        "DAGSTER_HOME": str(folder / name / "dagster_home"),
    }


def _time_range(folder: Path, with_log: bool) -> dict[str, Any]:
    name = "with-log" if with_log else "without-log"
    shutil.rmtree(folder / name, ignore_errors=True)
    days = len(list((folder / "landing" / "users").iterdir()))
    last = max(date.fromisoformat(path.name[:10]) for path in (folder / "landing/users").iterdir())
    environment = _environment(folder, name, last)
    if not with_log:
        del environment["DAGSTER_HOME"]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, "--worker", str(last), "--days", str(days)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    measured["process"] = time.perf_counter() - started
    measured["warehouse_mb"] = (folder / name / "warehouse.duckdb").stat().st_size / 1e6
    measured["raw_mb"] = _size(folder / name / "warehouse.raw")
    return measured


def _run_range(last: date, days: int) -> dict[str, Any]:
    """Run the range in this process; the event log is on disk if DAGSTER_HOME is set."""
    import dagster as dg

    from harvey_pipeline.cli.home import prepare_dagster_home
    from harvey_pipeline.definitions import defs
    from harvey_pipeline.graph.partitions import months_touched, range_tags
    from harvey_pipeline.settings import read_settings
    from harvey_pipeline.warehouse.days import DayRange

    on_disk = "DAGSTER_HOME" in os.environ
    if on_disk:
        prepare_dagster_home(read_settings())
    instance = dg.DagsterInstance.get() if on_disk else dg.DagsterInstance.ephemeral()
    started = time.perf_counter()
    range_of = DayRange(FIRST, last)
    results = [
        defs.resolve_job_def(name).execute_in_process(
            instance=instance, tags=range_tags(keys), raise_on_error=True
        )
        for name, keys in (("daily", range_of), ("monthly", months_touched(range_of)))
    ]
    seconds = time.perf_counter() - started
    steps = {
        event.step_key: event.step_success_data.duration_ms / 1000
        for result in results
        for event in result.all_events
        if event.is_step_success and event.step_key
    }
    return {
        "days": days,
        "seconds": seconds,
        "steps": steps,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _report(title: str, measured: dict[str, Any]) -> None:
    print(f"\n{title}: {measured['seconds']:.1f} s, process {measured['process']:.1f} s")
    for step, seconds in measured["steps"].items():
        print(f"  {step:45} {seconds:8.1f} s")
    outside = measured["seconds"] - sum(measured["steps"].values())
    print(f"  {'outside the steps (Dagster, publishing)':45} {outside:8.1f} s")
    print(f"  peak memory {measured['peak_mb']:,.0f} MB, warehouse {measured['warehouse_mb']:,.0f}")
    print(f"  MB, raw store {measured['raw_mb']:,.0f} MB", flush=True)


def _time_one_more_day(folder: Path, day: int, repeats: int) -> Sequence[float]:
    """Seconds of `harvey run` from one day on, in a warehouse that holds all days before it."""
    last = FIRST + timedelta(days=day - 1)
    filled = f"until-{day}"
    shutil.rmtree(folder / filled, ignore_errors=True)
    environment = _environment(folder, filled, last)
    _harvey(environment, FIRST, last - timedelta(days=1))
    seconds = []
    for again in range(repeats):
        copy = f"{filled}-{again}"
        shutil.rmtree(folder / copy, ignore_errors=True)
        shutil.copytree(folder / filled, folder / copy)
        started = time.perf_counter()
        _harvey(_environment(folder, copy, last), last, last)
        seconds.append(time.perf_counter() - started)
        shutil.rmtree(folder / copy)
    return seconds


def _harvey(environment: dict[str, str], first: date, last: date) -> None:
    subprocess.run(
        [sys.executable, "-m", "harvey_pipeline", "run", "--from", str(first), "--to", str(last)],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _size(folder: Path) -> float:
    """Megabytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
