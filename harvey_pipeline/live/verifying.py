"""Whether what was counted while a day's events came agrees with what is in its file."""

import time
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from harvey_pipeline.landing.files import find_files, open_file
from harvey_pipeline.live.keys import COUNTERS, stream_key
from harvey_pipeline.live.landing_folder import (
    StreamError,
    count_lines,
    file_of,
    local_landing,
    refuse_other_drop,
)
from harvey_pipeline.live.reading import SOURCE, ids_of

_LOOKS: Final = 5
_BETWEEN_LOOKS_SECONDS: Final = 0.2
"""While events come the file is ahead of the counters for a moment."""


@dataclass(frozen=True)
class Verified:
    """What was found of a day: a line that tells the numbers, and a line for each fault."""

    told: str
    faults: tuple[str, ...]


def verify_day(redis: Any, landing_dir: str, day: date) -> Verified:
    """Compare the counters of a day of receipt with the lines of its file.

    Raises:
        StreamError: The landing folder is not one of this machine, or there is nothing of the day.
        LandingError: The file cannot be read.
        redis.RedisError: Redis does not answer, or refuses.
    """
    landing = local_landing(landing_dir)
    refuse_other_drop(landing, day)
    path = file_of(landing, day)
    for look in range(_LOOKS):
        found = redis.hmget(stream_key(day), *COUNTERS)
        counted = dict(zip(COUNTERS, [int(value or 0) for value in found], strict=True))
        lines = count_lines(path)
        faults = _faults(counted, lines)
        if not faults:
            break
        if look < _LOOKS - 1:
            time.sleep(_BETWEEN_LOOKS_SECONDS)
    if not path.exists() and not any(counted.values()):
        raise StreamError(
            f"nothing is known of {day}: {path} does not exist, and Redis has counted nothing."
        )
    faults += _repeated_ids(landing_dir, day)
    return Verified(
        f"{day}: {counted['entries_read']:,} entries read = {counted['lines_appended']:,} lines "
        f"appended + {counted['duplicates']:,} duplicates; {lines:,} lines in {path}.",
        tuple(faults),
    )


def _faults(counted: dict[str, int], lines: int) -> list[str]:
    faults = []
    read, appended, duplicates = (counted[name] for name in COUNTERS)
    if read != appended + duplicates:
        faults.append(f"Entries read: {read:,}; accounted for: {appended + duplicates:,}.")
    if appended != lines:
        faults.append(
            f"Lines counted: {appended:,}; lines in the file: {lines:,}. If Redis has lost some, "
            "`harvey stream --rebuild` counts anew (today and the three days before)."
        )
    return faults


def _repeated_ids(landing_dir: str, day: date) -> list[str]:
    landing = local_landing(landing_dir)
    files = find_files(landing, SOURCE)
    if day not in files.drops:
        return []
    with open_file(files, files.drops[day], landing) as delivery:
        ids = ids_of(delivery).collect(engine="streaming")["id"].drop_nulls()
    repeated = len(ids) - ids.n_unique()
    return [f"Lines that repeat the id of another one: {repeated:,}."] if repeated else []
