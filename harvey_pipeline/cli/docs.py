"""`harvey docs`: the page of every subject and its columns' lineage, written into its folder."""

from pathlib import Path
from typing import Annotated, Final

import typer

from harvey_pipeline.cli.app import FAILED, OK, Debug, UnusableError
from harvey_pipeline.cli.show import output, say

PAGE: Final = "README.md"

_PACKAGE: Final = Path(__file__).parents[1]


def write_docs(
    is_check_wanted: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 and name the files that differ.")
    ] = False,
    debug: Debug = False,
) -> int:
    """Write the reference page of every subject, and what its columns are made of."""
    pages = build_pages(_PACKAGE) | build_lineage(is_check_wanted)
    stale = [path for path, text in pages.items() if _read(path) != text]
    console = output()
    for path in stale:
        if not is_check_wanted:
            _write(path, pages[path])
        state = "stale, run `harvey docs`" if is_check_wanted else "written"
        say(console, f"{path.relative_to(_PACKAGE.parent)}: {state}")
    if not stale:
        say(console, "Every file says what the code does.")
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


def build_lineage(is_check_wanted: bool = False) -> dict[Path, str]:
    """What the subjects' files of lineage have to say.

    What was found with the same code is kept; the rest is found anew, by trying, which takes some
    seconds a table, or left out where only a check is wanted.
    """
    from harvey_pipeline.definitions import SUBJECTS, sources_of, tables_of
    from harvey_pipeline.graph.experiments import find_lineage
    from harvey_pipeline.graph.lineage import Lineage, lineage_text, read_lineage

    tables = tables_of(SUBJECTS)
    sources = {source.table.name: source for source in sources_of(SUBJECTS)}
    files = {}
    for subject in SUBJECTS:
        if subject.lineage is None:
            continue
        known = read_lineage(subject.lineage)
        lineage = {}
        for asset in subject.table_assets:
            if asset.ledger_of:
                # It tells of deliveries: the ledger is no asset.
                continue
            name = str(asset.table)
            if name in known and known[name].code == asset.version:
                lineage[name] = known[name]
            elif not is_check_wanted:
                say(output(), f"{name}: looking what its columns are made of")
                lineage[name] = Lineage(asset.version, find_lineage(asset, tables, sources))
        files[subject.lineage] = lineage_text(lineage)
    return files


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnusableError(
            f"{path} cannot be written: {error.strerror}. Pages belong to a checkout of the code."
        ) from error
