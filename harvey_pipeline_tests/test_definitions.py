"""The code location as other programs load it: what it keeps from them, and what it does not."""

import subprocess
import sys

import pytest

from harvey_pipeline.definitions import ALL_SUBJECTS, choose_subjects
from harvey_pipeline.settings import SettingsError
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


def test_subjects_are_chosen_by_name_and_come_in_the_order_of_computing() -> None:
    assert choose_subjects(()) == ALL_SUBJECTS
    chosen = choose_subjects(("segments", "engagement"))
    assert [one.name for one in chosen] == ["engagement", "segments"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("engagement", "growth"), "HARVEY_SUBJECTS names 'growth'; there are engagement, agents"),
        (("segments",), "HARVEY_SUBJECTS names segments, but not engagement, on which it rests."),
    ],
)
def test_a_choice_that_cannot_be_computed_is_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        choose_subjects(names)
