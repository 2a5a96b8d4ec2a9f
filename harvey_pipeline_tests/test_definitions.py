"""The code location as other programs load it: what it keeps from them, and what it does not."""

import subprocess
import sys

import pytest

from harvey_pipeline_tests.cli.commands import environment

LOAD = """
import dagster as dg
from harvey_pipeline.definitions import defs
dg.Definitions.validate_loadable(defs)
for name in ("daily", "monthly"):
    defs.resolve_job_def(name)
"""
SOMEBODY_ELSES = """
@dg.asset(backfill_policy=dg.BackfillPolicy.single_run())
def own(): ...
"""


def warnings_of(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stderr.splitlines() if "Warning: " in line]


@pytest.mark.long
def test_what_dagster_announces_of_our_definitions_is_quiet_and_of_others_is_not() -> None:
    quiet = [line for line in warnings_of(LOAD) if "Beta" in line or "Preview" in line]
    assert quiet == []
    [announced] = [line for line in warnings_of(LOAD + SOMEBODY_ELSES) if "Beta" in line]
    assert "`backfill_policy`" in announced
