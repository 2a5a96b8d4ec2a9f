"""What all commands of `harvey` share: options, exit codes, and how errors are told.

A command is a function that returns its exit code. What takes long to import is imported where a
command needs it, for two reasons: `harvey --help` and `harvey sample` answer at once, and the
calendar is read from the environment when the graph is imported, which has to happen after the
options have been put there.
"""

import difflib
import importlib.metadata
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Final, ParamSpec

import typer
from rich.console import Console
from rich.text import Text

from harvey_pipeline.cli.disk_full import find_full_disk
from harvey_pipeline.cli.show import say
from harvey_pipeline.settings import SettingsError

OK: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2
INTERRUPTED: Final = 130

_EXIT_CODES: Final = (
    "Exit codes: 0 done, warnings are possible; 1 a step or a check failed; "
    "2 arguments, settings or files cannot be used; 130 interrupted."
)

_VARIABLES: Final[Mapping[str, str]] = {
    "landing_dir": "HARVEY_LANDING_DIR",
    "warehouse": "HARVEY_WAREHOUSE",
    "start_date": "HARVEY_START_DATE",
    "end_date": "HARVEY_END_DATE",
    "dagster_home": "DAGSTER_HOME",
}
"""Parameters of commands that stand for an environment variable."""

_NAMES_SUGGESTED: Final = 4

_SETTINGS: Final = "Settings"

LandingDir = Annotated[
    str | None,
    typer.Option(
        envvar=_VARIABLES["landing_dir"],
        metavar="DIR",
        help="Folder in which drops arrive; may be s3://, gs:// or az://.",
        show_default="data/landing",
        rich_help_panel=_SETTINGS,
    ),
]
WarehouseFile = Annotated[
    str | None,
    typer.Option(
        envvar=_VARIABLES["warehouse"],
        metavar="FILE",
        help="DuckDB file of everything after raw.",
        show_default="data/warehouse.duckdb",
        rich_help_panel=_SETTINGS,
    ),
]
StartDate = Annotated[
    str | None,
    typer.Option(
        envvar=_VARIABLES["start_date"],
        metavar="DAY",
        help="First day of the calendar.",
        rich_help_panel=_SETTINGS,
    ),
]
EndDate = Annotated[
    str | None,
    typer.Option(
        envvar=_VARIABLES["end_date"],
        metavar="DAY",
        help="Last day of the calendar.",
        rich_help_panel=_SETTINGS,
    ),
]
DagsterHome = Annotated[
    str | None,
    typer.Option(
        envvar=_VARIABLES["dagster_home"],
        metavar="DIR",
        help="Folder of Dagster's runs and settings.",
        show_default="dagster_home beside the warehouse",
        rich_help_panel=_SETTINGS,
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and Dagster's log.")]

Options = ParamSpec("Options")


class FailedError(Exception):
    """Something that was tried in vain; the message says what to do."""


class UnusableError(Exception):
    """Arguments, settings or landing data that cannot be used; the message says what to do."""


def unknown_name(what: str, name: str, known: Sequence[str], listing: str) -> UnusableError:
    """The error of a name that stands for nothing, with those that may have been meant."""
    last_parts = {one.rpartition(".")[2]: one for one in known}
    close = [one for one in known if name.lower() in one.lower()]
    close += difflib.get_close_matches(name, known)
    close += [last_parts[one] for one in difflib.get_close_matches(name, list(last_parts))]
    meant = " or ".join(list(dict.fromkeys(close))[:_NAMES_SUGGESTED])
    hint = f"Did you mean {meant}? " if meant else ""
    return UnusableError(f"no {what} is named {name}. {hint}`{listing}` lists what there is.")


def refuse_address(option: str, folder: str) -> None:
    """Make sure that a folder to be written is one of this machine.

    Raises:
        UnusableError: It is an address in object storage, or another one.
    """
    if "://" in folder:
        raise UnusableError(f"{folder} is no folder of this machine. Give one by {option}.")


@dataclass(frozen=True)
class Group:
    """Commands that share their first word: what they are about, and each by its second word."""

    help: str
    commands: Mapping[str, Callable[..., int]]


def build_app(commands: Mapping[str, Callable[..., int] | Group]) -> typer.Typer:
    """The command line of these commands and groups of commands, by their names."""
    app = typer.Typer(
        help="Product analytics from drops.",
        epilog=_EXIT_CODES,
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    )
    app.callback()(_start)
    for name, command in commands.items():
        if isinstance(command, Group):
            app.add_typer(_build_group(command), name=name)
        else:
            app.command(name)(_attended(command))
    return app


def _build_group(group: Group) -> typer.Typer:
    app = typer.Typer(
        help=group.help,
        invoke_without_command=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_show_group)
    for name, command in group.commands.items():
        app.command(name)(_attended(command))
    return app


def _show_group(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(UNUSABLE)


def run_command(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Carry out a command line and return its exit code."""
    try:
        return int(app(args=list(arguments), prog_name="harvey", standalone_mode=False) or OK)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "harvey"
        _complain(f"{error.format_message().rstrip('.')}. `{command} --help` lists what there is.")
        return error.exit_code
    except typer.Abort:
        return INTERRUPTED
    except SystemExit as end:
        # That is how shell completion ends, and writing to a pipe that nobody reads any more.
        return end.code if isinstance(end.code, int) else OK


def _start(
    context: typer.Context,
    is_version_wanted: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.")
    ] = False,
) -> None:
    if is_version_wanted:
        typer.echo(f"harvey {_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(UNUSABLE)


def _version() -> str:
    try:
        return importlib.metadata.version("harvey_pipeline")
    except importlib.metadata.PackageNotFoundError:
        return "from a checkout that is not installed"


def _attended(command: Callable[Options, int]) -> Callable[Options, int]:
    """The command with its settings in the environment, and its errors told instead of raised."""

    @wraps(command)
    def attend(*args: Options.args, **options: Options.kwargs) -> int:
        is_debugging = bool(options.get("debug"))
        try:
            for option, variable in _VARIABLES.items():
                if isinstance(value := options.get(option), str):
                    os.environ[variable] = value
            # What the package logs is told by the command that it concerns.
            logging.getLogger("harvey_pipeline").addHandler(logging.NullHandler())
            with _without_noise(is_debugging=is_debugging):
                return command(*args, **options)
        except KeyboardInterrupt:
            _complain("interrupted. Days that were done stay done; run again to go on.")
            return INTERRUPTED
        except Exception as error:
            if is_debugging:
                traceback.print_exc()
            if isinstance(error, FailedError):
                _complain(str(error))
                return FAILED
            if isinstance(error, UnusableError | SettingsError):
                _complain(str(error))
                return UNUSABLE
            if (told := find_full_disk(error)) is not None:
                _complain(told)
                return FAILED
            hint = "" if is_debugging else " Add --debug to see where it comes from."
            _complain(f"{type(error).__name__}: {str(error).rstrip('.')}.{hint}")
            return FAILED

    return attend


@contextmanager
def _without_noise(*, is_debugging: bool) -> Iterator[None]:
    """Keep library warnings, Dagster's Beta ones among them, from the user unless wanted."""
    if is_debugging or sys.warnoptions:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _complain(message: str) -> None:
    console = Console(stderr=True, highlight=False)
    say(console, Text.assemble(("harvey: ", "bold red"), message))
