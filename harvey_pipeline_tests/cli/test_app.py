"""What all commands share: help, version, completion, exit codes, and how errors are told."""

import subprocess
import sys
from pathlib import Path

import pytest

from harvey_pipeline_tests.cli.commands import assert_refused, environment, one_day
from harvey_pipeline_tests.cli.conftest import Harvey

COMMANDS = ("run", "ui", "checks", "tables", "sample")


def test_help_lists_the_commands_and_the_exit_codes(harvey: Harvey) -> None:
    finished = harvey("--help", COLUMNS="100")
    assert (finished.returncode, finished.stderr) == (0, "")
    told = " ".join(finished.stdout.split())
    for part in (*COMMANDS, "--version", "--install-completion", "2 arguments, settings or files"):
        assert part in told


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_debug(harvey: Harvey, command: str) -> None:
    finished = harvey(command, "--help", COLUMNS="100")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "--debug" in finished.stdout


@pytest.mark.parametrize("command", ["run", "ui"])
@pytest.mark.parametrize(
    ("option", "variable"),
    [
        ("--landing-dir", "HARVEY_LANDING_DIR"),
        ("--warehouse", "HARVEY_WAREHOUSE"),
        ("--start-date", "HARVEY_START_DATE"),
        ("--end-date", "HARVEY_END_DATE"),
        ("--dagster-home", "DAGSTER_HOME"),
    ],
)
def test_help_names_the_variable_of_an_option(
    harvey: Harvey, command: str, option: str, variable: str
) -> None:
    told = harvey(command, "--help", COLUMNS="100").stdout
    assert f"[env var: {variable}]" in told[told.index(option) :]


def test_the_version_is_that_of_the_package(harvey: Harvey) -> None:
    finished = harvey("--version")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("harvey ")


def test_without_a_command_it_shows_help_and_fails(harvey: Harvey) -> None:
    finished = harvey()
    assert finished.returncode == 2
    assert "Usage: harvey" in finished.stdout


def test_the_shell_completes_commands(harvey: Harvey) -> None:
    finished = harvey(_HARVEY_COMPLETE="complete_bash", COMP_WORDS="harvey ch", COMP_CWORD="1")
    assert (finished.returncode, finished.stdout) == (0, "checks\n")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        pytest.param(("chekcs",), ("'chekcs'", "checks", "`harvey --help`"), id="unknown command"),
        pytest.param(("run", "--form"), ("--form", "`harvey run --help`"), id="unknown option"),
        pytest.param(("run", "april"), ("april", "`harvey run --help`"), id="surplus argument"),
        pytest.param(("sample", "--users", "many"), ("'--users'",), id="text for a number"),
        pytest.param(("ui", "--port", "99999"), ("'--port'",), id="port out of range"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_refused(
    harvey: Harvey, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    assert_refused(harvey(*arguments), *parts)


def test_debug_shows_where_an_error_comes_from(tmp_path: Path, harvey: Harvey) -> None:
    one_day(tmp_path)
    finished = harvey("run", "--landing-dir", "landing", "--end-date", "soon", "--debug")
    assert finished.returncode == 2
    assert "Traceback" in finished.stderr
    assert finished.stderr.splitlines()[-1].startswith("harvey: HARVEY_END_DATE is 'soon'")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["run", "--help"], ["sample", "--help"]],
    ids=" ".join,
)
def test_what_needs_no_graph_loads_none(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from harvey_pipeline.cli import APP\n"
        "from harvey_pipeline.cli.app import run_command\n"
        f"run_command(APP, {arguments!r})\n"
        "assert [name for name in ['dagster', 'duckdb', 'polars'] if name in sys.modules] == []\n"
    )
    subprocess.run([sys.executable, "-c", program], env=environment(), check=True)
