"""`harvey checks`: what is assumed, and which of it did not hold last time."""

from collections import Counter
from pathlib import Path

import pytest

from harvey_pipeline.definitions import SUBJECTS, check_plans
from harvey_pipeline_tests.cli.commands import assert_refused, run_harvey
from harvey_pipeline_tests.cli.conftest import Computed, Harvey

DECLARED = [(plan.table.name, check) for plan in check_plans(SUBJECTS) for check in plan.checks]


def test_every_check_is_listed_with_what_it_asserts(harvey: Harvey) -> None:
    finished = harvey("checks", HARVEY_SUBJECTS="")
    assert (finished.returncode, finished.stderr) == (0, "")
    lines = Counter(" ".join(line.split()) for line in finished.stdout.splitlines())
    words = {"ERROR": "error", "WARN": "warning"}
    expected = Counter(
        f"{check.name} {'blocking' if check.is_blocking else words[check.severity.value]} "
        f"{check.description}"
        for _, check in DECLARED
    )
    expected += Counter(
        f"{rule} {told}" for _, check in DECLARED for rule, told in check.rules.items()
    )
    assert {line: lines[line] for line in expected} == dict(expected)
    assert {table for table, _ in DECLARED} <= lines.keys()


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        pytest.param("marts.power_curve", {"marts.power_curve"}, id="table"),
        pytest.param(
            "core", {table for table, _ in DECLARED if table.startswith("core.")}, id="schema"
        ),
        pytest.param(
            "volume_is_usual",
            {table for table, _ in DECLARED if table.startswith("raw.")},
            id="check of several tables",
        ),
        pytest.param(
            "events_add_up_by_type",
            {name for name, check in DECLARED if "events_add_up_by_type" in check.rules},
            id="rule of a check",
        ),
    ],
)
def test_a_name_chooses_checks(here: Harvey, name: str, tables: set[str]) -> None:
    finished = here("checks", name, HARVEY_SUBJECTS="")
    assert finished.returncode == 0
    assert {line for line in finished.stdout.splitlines() if line in dict(DECLARED)} == tables


def test_an_unknown_name_is_refused_with_those_like_it(here: Harvey) -> None:
    assert_refused(here("checks", "volume_is_usal"), "Did you mean volume_is_usual")


def test_without_a_run_there_are_no_results(tmp_path: Path, here: Harvey) -> None:
    assert_refused(
        here("checks", "--failed"),
        f"{tmp_path}/data/dagster_home holds no results",
        "`harvey run`",
        "--dagster-home",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_what_did_not_pass_is_told_in_full(computed: Computed) -> None:
    warned = [line for line in computed.finished.stdout.splitlines() if line.startswith("warning")]
    assert warned
    finished = run_harvey(computed.folder, "checks", "--failed")
    assert (finished.returncode, finished.stderr) == (0, "")
    told = [line for line in finished.stdout.splitlines() if line.startswith("warning")]
    # A run names the first ones.
    assert [line.split()[1:3] for line in told[: len(warned)]] == [
        [asset, name.rstrip(":")] for _, asset, name, *_ in map(str.split, warned)
    ]
    text = finished.stdout[finished.stdout.index("users_belong_to_one_firm") :]
    for part in (
        "  Asserted: No user works for several firms in the window.\n",
        "  Days: 2024-04-05, 2024-04-04, 2024-04-03, 2024-04-02, 2024-04-01.\n",
        "  | date | user_id | firm_id | firm_count |\n",
        " UTC in run ",
    ):
        assert part in text
    assert finished.stdout.endswith("did not pass when they were last evaluated.\n")
    of_firms = run_harvey(computed.folder, "checks", "raw.raw_firms", "--failed").stdout
    assert {line.split()[1] for line in of_firms.splitlines() if line.startswith("warning")} == {
        "raw.raw_firms"
    }
