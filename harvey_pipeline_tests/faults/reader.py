"""`python -m harvey_pipeline_tests.faults.reader COPY`: asks a published copy until it is killed.

Ten times a second it opens the file as a dashboard does, and prints a line: what it found of all
tables as one number, or what went wrong.
"""

import sys
import time
from pathlib import Path
from typing import Final

import duckdb

from harvey_pipeline_tests.faults.stations import PUBLISHED

PERIOD_SECONDS: Final = 0.1


def state_of(copy: Path) -> str:
    """All rows of all tables, whatever their order, as one number."""
    with duckdb.connect(str(copy), read_only=True) as connection:
        parts = " union all ".join(
            f"select sum(hash('{name}', t)) as part from {name} as t" for name in PUBLISHED
        )
        [row] = connection.execute(f"select sum(part) from ({parts})").fetchall()
    return str(row[0])


if __name__ == "__main__":
    due = time.monotonic()
    while True:
        try:
            print(state_of(Path(sys.argv[1])), flush=True)
        except duckdb.Error as error:
            print(f"failed: {error}".splitlines()[0], flush=True)
        due += PERIOD_SECONDS
        time.sleep(max(0.0, due - time.monotonic()))
