"""How long one machine and Spark take for drops in parts; no part of the test run.

    python -m harvey_pipeline_tests.benchmarks.engines --days 10 --events 5000000 --parts 50

Makes a synthetic landing folder whose events come in parts, and computes it with `harvey run` in a
fresh process: on one machine, and with a standalone Spark of one and of two workers of one core
each. Prints for each of them the seconds of the process, of what reads parts and of what sums them,
and the peak memory of the process that runs Dagster, which is Spark's driver. Then it does the same
with as many parts of a hundred events each, and with ten times as many: their seconds are what a
part costs besides its events, their memory is what it costs the driver. Needs the extra `spark`
and Java. `--folder` keeps the landing folders for the next time.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from harvey_pipeline.engagement.sample import SampleSpec, write_sample
from harvey_pipeline.synthetic import split_drops
from harvey_pipeline_tests.benchmarks.benchmark import FIRST, Measured, apart, run_harvey
from harvey_pipeline_tests.spark_cluster import running_cluster

_FEW_EVENTS: Final = 100
"""Of a part whose events cost nothing."""

_READING, _SUMMING = "raw__raw_events", "core__user_daily_activity"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where landing folders are kept")
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--events", type=int, default=5_000_000, help="a day")
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--parts", type=int, default=50, help="of a day's events")
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2], help="0: no Spark")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harvey-engines-") as scratch:
        folder = given.folder or Path(scratch)
        few = given.parts * _FEW_EVENTS
        sizes = [
            (given.days, given.events, given.users, given.parts),
            (given.days, few, 1_000, given.parts),
            (given.days, 10 * few, 1_000, 10 * given.parts),
        ]
        for size in sizes:
            landing = apart(make_landing, folder, *size)
            measure(landing, size, given.workers, Path(scratch))


def make_landing(folder: Path, days: int, events: int, users: int, parts: int) -> Path:
    """The landing folder of a size, made unless it is there."""
    landing = folder / f"parts-{days}-{events}-{users}-{parts}"
    if not landing.exists():
        print(f"making {landing}", flush=True)
        partial = landing.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        spec = SampleSpec(
            users=users, firms=400, days=days, events_per_day=events, dirty=0.0, start=FIRST
        )
        write_sample(partial, spec)
        split_drops(partial, ["events"], parts)
        partial.rename(landing)
    return landing


def measure(
    landing: Path, size: tuple[int, int, int, int], workers: Sequence[int], scratch: Path
) -> None:
    days, events, users, parts = size
    print(f"\n{days} days x {events:,} events, {users:,} users, in {parts} parts a day")
    for number in workers:
        place = scratch / f"{landing.name}-{number}"
        with environment_of(number, scratch / f"cluster-{landing.name}-{number}") as variables:
            before = dict(os.environ)
            os.environ.update(variables)
            try:
                measured = run_harvey(landing, place, FIRST, FIRST + timedelta(days=days - 1))
            finally:
                os.environ.clear()
                os.environ.update(before)
        report(number, measured, days * parts)
        shutil.rmtree(place)


@contextmanager
def environment_of(workers: int, folder: Path) -> Iterator[Mapping[str, str]]:
    """What chooses an engine; without workers this machine."""
    own = {"HARVEY_SUBJECTS": "engagement"}
    if not workers:
        yield own
        return
    with running_cluster(folder, workers) as cluster:
        spark = {"HARVEY_ENGINE": "spark", "HARVEY_SPARK_MASTER": cluster.address}
        yield {**own, **cluster.environment, **spark}


def report(workers: int, measured: Measured, parts: int) -> None:
    name = f"Spark, {workers} worker{'s' * (workers > 1)}" if workers else "one machine"
    reading, summing = (measured.steps.get(step, 0.0) for step in (_READING, _SUMMING))
    print(
        f"  {name:18} {measured.process.seconds:7.1f} s, reading {reading:7.1f} s "
        f"({1000 * reading / parts:.0f} ms a part), summing {summing:6.1f} s, "
        f"peak of the driver {measured.process.peak:5.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
