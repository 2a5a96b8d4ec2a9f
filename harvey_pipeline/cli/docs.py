"""`harvey docs`: the reference page of every subject, written into its folder."""

from pathlib import Path
from typing import Annotated, Final

import typer

from harvey_pipeline.cli.app import FAILED, OK, Debug, UnusableError
from harvey_pipeline.cli.show import output, say

PAGE: Final = "README.md"

_PACKAGE: Final = Path(__file__).parents[1]


def write_docs(
    is_check_wanted: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 and name the pages that differ.")
    ] = False,
    debug: Debug = False,
) -> int:
    """Write the reference page of every subject: its sources, tables and checks."""
    pages = build_pages(_PACKAGE)
    stale = [path for path, text in pages.items() if _read(path) != text]
    console = output()
    for path in stale:
        if not is_check_wanted:
            _write(path, pages[path])
        state = "stale, run `harvey docs`" if is_check_wanted else "written"
        say(console, f"{path.relative_to(_PACKAGE.parent)}: {state}")
    if not stale:
        say(console, "Every page says what the code declares.")
    return FAILED if is_check_wanted and stale else OK


def build_pages(package: Path) -> dict[Path, str]:
    """What the pages of all subjects have to say, by their places within the package."""
    from harvey_pipeline.definitions import SUBJECTS, check_plans, tables_of
    from harvey_pipeline.reference import reference_page

    plans, tables = check_plans(SUBJECTS), tables_of(SUBJECTS)
    return {
        package / subject.name / PAGE: reference_page(subject, plans, tables)
        for subject in SUBJECTS
    }


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnusableError(
            f"{path} cannot be written: {error.strerror}. Pages belong to a checkout of the code."
        ) from error
