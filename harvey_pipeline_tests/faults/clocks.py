"""A clock that other processes go by, set to any moment.

libfaketime stands between a process, and those that it starts, and the system's clock. The times of
files remain the system's, and so does how long things take. Dagster's code servers end themselves
where the clock leaps, so it goes on at the usual pace.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import libfaketime


@dataclass(frozen=True)
class Clock:
    """A clock that goes at the usual pace, `offset` seconds ahead of the system's."""

    offset: float

    @classmethod
    def at(cls, moment: datetime) -> "Clock":
        """A clock that now shows a moment, UTC."""
        return cls(moment.replace(tzinfo=UTC).timestamp() - time.time())

    def now(self) -> datetime:
        """What it shows, UTC."""
        return datetime.fromtimestamp(time.time() + self.offset, UTC).replace(tzinfo=None)

    def settings(self) -> dict[str, str]:
        """What makes a process that is started go by this clock."""
        _, found = libfaketime.get_reload_information()
        library = Path(found["LD_LIBRARY_PATH"].split(":")[0]) / found["LD_PRELOAD"]
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME": f"{self.offset:+.3f}",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "TZ": "UTC",
        }
