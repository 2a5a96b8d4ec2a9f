"""The README is short, and says of settings, commands, files and checks what the code says."""

import re
from pathlib import Path

import pytest
import typer

from harvey_pipeline import settings
from harvey_pipeline.agents import settings as agents_settings
from harvey_pipeline.cli import APP
from harvey_pipeline.conversations import settings as conversations_settings
from harvey_pipeline.definitions import SUBJECTS, check_plans, tables_of
from harvey_pipeline.live import settings as live_settings
from harvey_pipeline.llm import settings as llm_settings
from harvey_pipeline.segments import settings as segments_settings
from harvey_pipeline.service import settings as service_settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

MOST_LINES = 300
PLACES = (
    settings,
    agents_settings,
    conversations_settings,
    segments_settings,
    llm_settings,
    live_settings,
    service_settings,
)
SETTINGS = sorted(
    value
    for place in PLACES
    for name, value in vars(place).items()
    if name.isupper() and isinstance(value, str) and value.startswith(("HARVEY_", "DAGSTER_"))
)
COMMANDS = sorted(typer.main.get_command(APP).commands)  # type: ignore[attr-defined]

FILE = re.compile(r"[\w./-]*\w\.(?:py|toml|lock|ya?ml|cfg|md|ini|sh)\b")
ROOM = re.compile(r"(?<![\w/.-])(?:harvey_pipeline(?:_tests)?|data/landing|\.ci)/[\w./-]*")
MADE_BY_THE_PIPELINE = {"dagster.yaml"}
WITHIN_A_SUBJECT = {"sources.py", "assets.py", "sample.py", "guide.md", "__init__.py"}


def rows_of(text: str) -> dict[str, list[str]]:
    """The rows of all Markdown tables in a text, by each piece of code in their first cell."""
    cells = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    return {name.strip("`"): row for row in cells for name in row[0].split(", ")}


def section_of(heading: str) -> str:
    """What stands beneath a heading of the second level."""
    start = README.index(f"\n## {heading}\n") + 1
    return README[start : README.find("\n## ", start)]


def commands() -> list[str]:
    """The lines of all shell blocks."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def anchors_of(text: str) -> set[str]:
    """What links to a page's headings may be called."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_it_can_be_read_in_one_sitting() -> None:
    assert len(README.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("variable", SETTINGS)
def test_every_setting_is_explained(variable: str) -> None:
    assert variable in rows_of(section_of("Settings"))


def test_no_setting_is_made_up() -> None:
    assert set(re.findall(r"HARVEY_[A-Z_]+", README)) <= set(SETTINGS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_named(command: str) -> None:
    named = [row.split()[:2] for row in rows_of(section_of("Commands"))]
    assert ["harvey", command] in named


def test_no_command_is_made_up() -> None:
    assert set(re.findall(r"`harvey ([\w-]+)", README)) <= set(COMMANDS)


def test_checks_and_tables_that_are_named_exist() -> None:
    schemas = {name.partition(".")[0] for name in tables_of(SUBJECTS)}
    named = set(re.findall(rf"`((?:{'|'.join(schemas)})\.\w+)`", README))
    assert named
    assert named <= tables_of(SUBJECTS).keys()
    declared = [check for plan in check_plans(SUBJECTS) for check in plan.checks]
    checks = {name for check in declared for name in (check.name, *check.rules)}
    told = set(re.findall(r"`(\w+)`\)? (?:fails|warns|names)", README))
    assert told
    assert told <= checks


def test_first_two_commands_are_those_of_continuous_integration() -> None:
    install, check = commands()[:2]
    checked = (ROOT / ".ci" / "run").read_text(encoding="utf-8").replace('"$venv"', ".venv")
    *pieces, run = install.split(" && ")
    assert len(pieces) == 3
    assert [line for line in checked.splitlines() if line in pieces] == pieces
    assert run == ".venv/bin/harvey run"
    assert check == ".venv/bin/python -m pytest"


def test_habits_are_those_of_continuous_integration() -> None:
    checked = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    first, last = (
        checked.index("ruff format --check ."),
        checked.index("python -m pytest -m long --dist=loadgroup --numprocesses=3"),
    )
    assert "```bash\n" + "\n".join(checked[first : last + 1]) + "\n```" in README


def test_only_files_that_exist_are_named() -> None:
    named = {path.removesuffix(".") for path in FILE.findall(README) + ROOM.findall(README)}
    assert named
    gone = {path for path in named - MADE_BY_THE_PIPELINE if not (ROOT / path).exists()}
    assert gone <= WITHIN_A_SUBJECT
    folders = [ROOT / "harvey_pipeline" / subject.name for subject in SUBJECTS]
    assert all(any((folder / path).exists() for folder in folders) for path in gone)


def test_links_lead_to_headings_and_files() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        assert (ROOT / path).exists(), link
        if anchor:
            text = (ROOT / path).read_text(encoding="utf-8") if path else README
            assert anchor in anchors_of(text), link


@pytest.mark.parametrize("subject", [subject.name for subject in SUBJECTS])
def test_every_subject_is_linked(subject: str) -> None:
    assert f"](harvey_pipeline/{subject}/README.md)" in README
