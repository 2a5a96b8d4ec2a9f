"""The README says of tables, reasons, checks, settings, commands and files what the code says."""

import re
from pathlib import Path

import pytest

from harvey_pipeline import resources
from harvey_pipeline.checks import all_table_checks
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.landing.judge import REASONS, REPAIRS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

DESCRIBED = [name for name in TABLES if not name.startswith("history.")]
CHECKS = [(table.table, check) for table in all_table_checks() for check in table.checks]
SETTINGS = sorted(
    value
    for name, value in vars(resources).items()
    if name.isupper() and isinstance(value, str) and value.startswith(("HARVEY_", "DAGSTER_"))
)

FILE = re.compile(r"[\w./-]*\w\.(?:py|toml|lock|ya?ml|cfg|md|ini|sh)\b")
ROOM = re.compile(r"(?<![\w/.-])(?:harvey_pipeline(?:_tests)?|data/landing|\.ci)/[\w./-]*")
MADE_BY_THE_PIPELINE = {"dagster.yaml"}


def rows_of(text: str) -> dict[str, list[str]]:
    """The rows of all Markdown tables in a text, by the code in their first cell."""
    cells = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    return {row[0].strip("`"): row for row in cells}


def section_of(table: str) -> str:
    start = README.index(f"<summary><code>{table}</code>: ")
    return README[start : README.index("</details>", start)]


def commands() -> list[str]:
    """The lines of all shell blocks."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("name", DESCRIBED)
def test_every_table_is_described(name: str) -> None:
    table = TABLES[name]
    section = section_of(name)
    summary = section[: section.index("</summary>")]
    assert re.sub(r"</?code>", "`", summary).endswith(f"`{name}`: {table.description}")
    assert f"Key: {', '.join(f'`{column}`' for column in table.key) or 'none'}." in section


@pytest.mark.parametrize("name", DESCRIBED)
def test_every_column_is_described(name: str) -> None:
    described = {column: row[2] for column, row in rows_of(section_of(name)).items()}
    assert described == {
        column: (definition.description or "").strip()
        for column, definition in TABLES[name].schema.columns().items()
    }


def test_every_reason_is_explained() -> None:
    start = README.index("### Reasons in quarantine")
    rows = rows_of(README[start : README.index("\n## ", start)])
    assert list(rows) == list(REASONS)
    actions = {reason: row[2] for reason, row in rows.items()}
    assert {reason for reason, action in actions.items() if action == "repaired"} == set(REPAIRS)


def test_every_check_is_explained() -> None:
    start = README.index("### Checks")
    rows = rows_of(README[start : README.index("\n## ", start)])
    told = {
        (asset, name, row[2], row[3])
        for name, row in rows.items()
        for asset in re.findall(r"`([^`]+)`", row[1])
    }
    assert told == {
        (table, check.name, check.severity.value, "yes" if check.is_blocking else "no")
        for table, check in CHECKS
    }


@pytest.mark.parametrize("variable", SETTINGS)
def test_every_setting_is_explained(variable: str) -> None:
    start = README.index("### Your own files")
    assert variable in rows_of(README[start : README.index("\n## ", start)])


def test_no_setting_is_made_up() -> None:
    assert set(re.findall(r"HARVEY_[A-Z_]+", README)) <= set(SETTINGS)


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
    habits = checked[checked.index("ruff format --check .") :]
    assert "\n".join(habits) in README


def test_only_files_that_exist_are_named() -> None:
    named = {path.removesuffix(".") for path in FILE.findall(README) + ROOM.findall(README)}
    assert named
    gone = {path for path in named - MADE_BY_THE_PIPELINE if not (ROOT / path).exists()}
    assert not gone


def test_links_lead_to_headings() -> None:
    headings = re.findall(r"^#+ (.+)$", README, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors
