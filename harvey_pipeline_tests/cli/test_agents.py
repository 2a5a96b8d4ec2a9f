"""`harvey agents`: a day, the expectations, the queue, the checks; and what is not there."""

from harvey_pipeline_tests.cli.commands import assert_refused, harvey_here, run_harvey
from harvey_pipeline_tests.cli.conftest import Computed, Harvey


def test_the_last_day_run_is_shown(computed: Computed) -> None:
    finished = run_harvey(computed.folder, "agents")
    assert (finished.returncode, finished.stderr) == (0, "")
    lines = [line.strip() for line in finished.stdout.splitlines()]
    assert lines[0] == "AI agents of 2024-04-05"
    assert "Agent types against expectations, 30 days up to 2024-04-05" in lines
    assert any(line.startswith("cx-agent ") and "of 70 % expected" in line for line in lines)
    queue = lines.index("Review queue of 2024-04-05")
    assert "pending" in lines[queue + 1]
    assert lines.index("Checks that did not pass") > queue


def test_another_day_is_shown_if_it_was_run(computed: Computed) -> None:
    finished = harvey_here(computed.folder, "agents", "--day", "2024-04-02")
    assert finished.stdout.startswith("AI agents of 2024-04-02\n")
    refused = harvey_here(computed.folder, "agents", "--day", "2024-04-09")
    assert_refused(refused, "2024-04-09 was not run", "2024-04-05")
    assert_refused(harvey_here(computed.folder, "agents", "--day", "May"), "--day is 'May'")


def test_nothing_was_run(here: Harvey) -> None:
    assert_refused(here("agents"), "Nothing of the AI agents", "agent_approvals", "harvey run")
