"""A quarter of deliveries through the landing sensor, with faults, ends as one clean backfill does.

    python -m harvey_pipeline_tests.simulated_quarter
        [--days 91] [--seed 1] [--minutes M] [--folder DIR]

Starts `harvey ui` with the landing sensor on, and delivers the drops of one day after the other,
each once the sensor has nothing left to do. By the seed, files come late, come wrong and are
corrected, come in two pieces or once more; days are missing and come later; Dagster's daemon, its
webserver or all of it is killed at work and started again. In the end all drops have come, and
every table, and its published copy, must equal those of a single `harvey run` in another folder.

With a sensor that looks every few seconds a day takes about half a minute, a quarter some 45. It
prints what it does as it does it, and exits with 1 where tables differ or nothing more happens.
With `--minutes` no further day is begun after so many, and those that came are compared. The
folder, a new one unless it is given, is kept.
"""

import argparse
import gzip
import io
import math
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from harvey_pipeline_tests.cli.uis import Ui, ui
from harvey_pipeline_tests.faults.stations import Station, assert_as_undisturbed, deliver

FIRST: Final = date(2024, 1, 20)
SOURCES: Final = ("users", "firms", "events")
FAULTS: Final = ("none", "late", "corrected", "pieces", "again", "missing", "killed")
PARTS: Final = ("daemon", "webserver", "everything")

IDLE_WITHIN_SECONDS: Final = 900
_NOTHING_LEFT: Final = re.compile(r"landing_sensor skipped: nothing is due\s*$", re.MULTILINE)


class Quarter:
    """The deliveries of some days, with what is owed from those before, and the UI at work."""

    def __init__(self, folder: Path, days: int, seed: int) -> None:
        self.days = [FIRST + timedelta(days=number) for number in range(days)]
        self.whole = deliver(folder / "clean", FIRST, self.days[-1]).landing
        self.station = Station(folder / "disturbed", FIRST)
        self.station.landing.mkdir(parents=True)
        self.choose = random.Random(seed)
        self.owed: list[tuple[date, Callable[[], None]]] = []
        self.met: Counter[str] = Counter()
        self._started = time.monotonic()
        self._stack = ExitStack()
        self._ui: Ui | None = None

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self._started:7.0f} s  {text}", flush=True)

    # --- the UI ------------------------------------------------------------------------------

    def start(self) -> None:
        settings = {"HARVEY_START_DATE": str(FIRST)}
        is_first = self._ui is None
        self._ui = self._stack.enter_context(ui(self.station.root, settings))
        if is_first:
            self._ui.start_sensor("landing_sensor")

    def kill(self, part: str) -> None:
        assert self._ui is not None
        if part == "everything":
            os.killpg(self._ui.process.pid, signal.SIGKILL)
        else:
            self._ui.kill(part)
        self._ui.process.wait(120)
        self.stop()
        self.start()

    def stop(self) -> None:
        self._stack.close()

    def wait_until_idle(self) -> None:
        """Wait until a look of the sensor that begins after this finds nothing to do."""
        assert self._ui is not None
        # A look that is going on may have seen the folder as it was.
        time.sleep(3)
        seen = len(self._ui.log.read_text())
        deadline = time.monotonic() + IDLE_WITHIN_SECONDS
        while not _NOTHING_LEFT.search(self._ui.log.read_text()[seen:]):
            if time.monotonic() > deadline:
                raise SystemExit(f"the sensor did not come to rest; see {self._ui.log}")
            time.sleep(2)

    # --- deliveries --------------------------------------------------------------------------

    def drops(self, day: date) -> dict[str, Path]:
        """The drops of a day, by source, as they are meant: CSV, also packed, or Parquet."""
        found = ((source, (self.whole / source).glob(f"{day}.*")) for source in SOURCES)
        return {source: path for source, paths in found for path in paths}

    def target(self, drop: Path) -> Path:
        """Where a drop is delivered."""
        target = self.station.landing / drop.relative_to(self.whole)
        target.parent.mkdir(exist_ok=True)
        return target

    def place(self, drop: Path, change: Callable[[Path], bytes] = Path.read_bytes) -> None:
        """Deliver a drop, as it is or changed, in one step."""
        partial = self.station.root / "partial"
        partial.write_bytes(change(drop))
        partial.replace(self.target(drop))

    def place_in_two(self, drop: Path) -> None:
        content, path = drop.read_bytes(), self.target(drop)
        half = self.choose.randrange(len(content) // 3, len(content))
        path.write_bytes(content[:half])
        time.sleep(self.choose.uniform(1, 45))
        with path.open("ab") as file:
            file.write(content[half:])

    def deliver(self, day: date) -> None:
        """Deliver a day with at most one fault, and what is owed from days before."""
        for due, pay in [one for one in self.owed if one[0] <= day]:
            pay()
            self.owed.remove((due, pay))
        fault = self.choose.choice(FAULTS)
        odd = self.choose.choice(SOURCES)
        self.met[fault] += 1
        self.say(f"{day}: {fault}{'' if fault in ('none', 'missing', 'killed') else f' {odd}'}")
        for source, drop in self.drops(day).items():

            def pay(drop: Path = drop) -> None:
                self.place(drop)

            if fault == "missing" or (fault == "late" and source == odd):
                later = self.choose.randint(2, 5) if fault == "missing" else 1
                self.owed.append((day + timedelta(days=later), pay))
            elif fault == "corrected" and source == odd:
                self.place(drop, self._spoilt)
                self.owed.append((day + timedelta(days=self.choose.randint(1, 3)), pay))
            elif fault == "pieces" and source == odd:
                self.place_in_two(drop)
            else:
                pay()
                if fault == "again" and source == odd:
                    self.owed.append((day + timedelta(days=self.choose.randint(0, 2)), pay))
        if fault == "killed":
            part, seconds = self.choose.choice(PARTS), self.choose.uniform(1, 75)
            time.sleep(seconds)
            self.say(f"{day}: killing {part} after {seconds:.0f} s")
            self.kill(part)

    def _spoilt(self, drop: Path) -> bytes:
        """A drop with some of its records left out and one of them twice."""
        if drop.suffix == ".parquet":
            rows = pl.read_parquet(drop)
            spoilt = io.BytesIO()
            rows[self._some(range(rows.height))].write_parquet(spoilt)
            return spoilt.getvalue()
        content, is_packed = drop.read_bytes(), drop.suffix == ".gz"
        text = gzip.decompress(content) if is_packed else content
        header, *lines = text.splitlines(keepends=True)
        spoilt_text = b"".join([header, *self._some(lines)])
        return gzip.compress(spoilt_text) if is_packed else spoilt_text

    def _some(self, records: Sequence[Any]) -> list[Any]:
        kept = [one for one in records if self.choose.random() < 0.9]
        return [*kept, *kept[:1]]

    def run(self, minutes: float) -> None:
        """Deliver days until time is over, and all that is owed; wait for the sensor after each."""
        self.start()
        try:
            for number, day in enumerate(self.days):
                if number > 0 and time.monotonic() - self._started > 60 * minutes:
                    self._leave_out(self.days[number:])
                    break
                self.deliver(day)
                self.wait_until_idle()
            self.say(f"all that is owed: {len(self.owed)} deliveries")
            for _, pay in self.owed:
                pay()
            self.wait_until_idle()
        finally:
            self.stop()

    def _leave_out(self, days: Sequence[date]) -> None:
        """Take days that never come out of what is compared with."""
        self.say(f"time is over: {len(days)} days are left out")
        for day in days:
            for drop in self.drops(day).values():
                drop.unlink()
        self.days = self.days[: -len(days)]

    def compare(self) -> None:
        """Compare with one clean run over the same drops."""
        clean = Station(self.whole.parent, FIRST)
        for source in SOURCES:
            for path in (self.whole / source).iterdir():
                found = (self.station.landing / source / path.name).read_bytes()
                assert found == path.read_bytes(), f"{source}/{path.name} is not what was meant"
        self.say("one clean backfill")
        finished = clean.run()
        # Made-up drops are dirty, so that checks may fail of what was computed.
        assert finished.returncode == 0 or "Computed, but" in finished.stdout, finished.stdout
        assert_as_undisturbed(self.station, clean.tables(), self.days[-1])
        self.say(f"equal, {len(self.days)} days; faults met: {dict(self.met)}")


def main() -> int:
    """Simulate as the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=91)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="begin no day after so many"
    )
    parser.add_argument("--folder", type=Path, help="new or empty; a temporary one unless given")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="quarter-"))
    print(f"in {folder}, seed {options.seed}", flush=True)
    quarter = Quarter(folder, options.days, options.seed)
    try:
        quarter.run(options.minutes)
        quarter.compare()
    except AssertionError as error:
        print(f"different: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
