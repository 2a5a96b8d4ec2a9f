"""Every subject's page says what the code declares, and is not stale."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from harvey_pipeline import reference
from harvey_pipeline.cli import APP, docs
from harvey_pipeline.cli.app import run_command
from harvey_pipeline.definitions import SUBJECTS, check_plans, tables_of
from harvey_pipeline.reference import reasons_of, reference_page, stored_types, tables_of_page
from harvey_pipeline.subject import Subject
from harvey_pipeline_tests.tiny import SUBJECT as TINY

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "harvey_pipeline"


def page_of(*subjects: Subject) -> str:
    """The page of the first of some subjects."""
    return reference_page(subjects[0], check_plans(subjects), tables_of(subjects))


@pytest.fixture(scope="module", autouse=True)
def types_are_asked_once() -> Iterator[None]:
    """DuckDB is asked once for the types of a table: that takes most of a page's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "stored_types", cache(stored_types))
        yield


# The last one has a source of every kind, and neither guide nor months.
@pytest.fixture(scope="module", params=[*SUBJECTS, TINY], ids=lambda subject: subject.name)
def subject(request: pytest.FixtureRequest) -> Subject:
    assert isinstance(request.param, Subject)
    return request.param


@pytest.fixture(scope="module")
def page(subject: Subject) -> str:
    """The subject's page, with the tables of all others to link to."""
    return page_of(subject, *SUBJECTS)


def section(page: str, heading: str) -> str:
    """What stands beneath a heading, up to the next one of its level or a higher one."""
    level = heading.partition(" ")[0]
    start = page.index(f"\n{heading}\n") + len(heading) + 2
    end = re.search(rf"^#{{2,{len(level)}}} ", page[start:], flags=re.MULTILINE)
    return page[start : start + end.start()] if end else page[start:]


def rows_of(text: str, place: int = 0) -> dict[str, list[str]]:
    """The rows of all grids in a text, by the code in their first, or another, cell."""
    cells = [
        [cell.strip().replace("\\|", "|").replace("&lt;", "<") for cell in line[2:-2].split(" | ")]
        for line in text.splitlines()
        if re.match(r"\| [*\[]*`", line)
    ]
    return {re.sub(r"[*\[`]|\].*", "", row[place]): row for row in cells}


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_the_page_in_the_folder_is_not_stale(subject: Subject) -> None:
    """`harvey docs` writes it anew."""
    written = (PACKAGE / subject.name / docs.PAGE).read_text(encoding="utf-8")
    assert written == docs.build_pages(PACKAGE)[PACKAGE / subject.name / docs.PAGE]


def test_every_table_and_column_is_described(subject: Subject, page: str) -> None:
    tables = tables_of_page(subject, tables_of((subject,)))
    assert {table.name for table in (*subject.raw_tables, *subject.tables)} <= {
        table.name for table in tables
    }
    for table in tables:
        told = section(page, f"### `{table.name}`")
        assert told.strip().startswith(table.description)
        rows, types = rows_of(told), stored_types(table)
        for name, column in table.schema.columns().items():
            _, kind, null, meaning = rows[name]
            assert kind == types[name]
            assert null == ("yes" if column.nullable else "")
            assert meaning.startswith((column.description or "").strip())
            assert rows[name][0].startswith("**") == (name in table.key)


def test_every_check_is_described_beneath_its_table(subject: Subject, page: str) -> None:
    own = {table.name for table in (*subject.raw_tables, *subject.tables)}
    plans = [plan for plan in check_plans((*SUBJECTS, TINY)) if plan.table.name in own]
    for plan in plans:
        rows = rows_of(section(page, f"### `{plan.table.name}`"))
        columns = set(plan.table.schema.columns())
        assert [name for name in rows if name not in columns] == [one.name for one in plan.checks]
        for check in plan.checks:
            _, severity, asserts, advice = rows[check.name]
            blocking = ", blocking" if check.is_blocking else ""
            assert severity == f"{check.severity.value}{blocking}"
            rules = (f"`{rule}`: {told}" for rule, told in check.rules.items())
            assert asserts == " ".join((check.description, *rules))
            assert advice in (check.advice, "*run again*")


def test_every_source_is_a_contract(subject: Subject, page: str) -> None:
    for source in subject.sources:
        told = section(page, f"### Source `{source.name}`")
        assert f"`{source.name}/<YYYY-MM-DD>.csv`" in told
        rows = rows_of(told, place=1)
        for column in source.columns:
            delivered, stored, accepted, header, missing, unusable, meaning = rows[column.name]
            assert delivered == f"`{column.delivered}`"
            assert stored == f"`{column.name}`"
            assert (accepted, meaning) == (column.reader.means, column.description)
            assert header == ("required" if column.is_required else "optional")
            assert (f"`{column.missing_reason}`" in missing) == (column.missing != "keep")
            assert (f"`{column.unusable_reason}`" in unusable) == (
                column.can_be_unusable and column.unusable != "keep"
            )


def test_every_reason_is_explained(subject: Subject, page: str) -> None:
    rows = rows_of(section(page, "## Reasons in quarantine"))
    assert set(rows) == {reason for source in subject.sources for reason in source.reasons}
    repairs = {reason for source in subject.sources for reason in source.repairs}
    for reason, (_, _, action, meaning) in rows.items():
        assert action == ("repaired" if reason in repairs else "rejected")
        assert meaning.endswith(".")


def test_a_reason_names_all_sources_that_it_says_the_same_of() -> None:
    named = {(one.name, one.sources) for one in reasons_of(TINY.sources)}
    assert ("wrong_field_count", ("shelves", "loans", "reviews")) in named
    assert ("missing_id", ("loans", "reviews")) in named
    assert ("too_late", ("loans", "reviews")) in named
    assert ("missing_pages", ("loans",)) in named


def test_a_drop_is_told_by_its_kind() -> None:
    page = page_of(TINY)
    for source, told in {
        "shelves": "holds all that there are on that day. Of a bulk export, `shelves.csv`, "
        "every day shows all of it.",
        "loans": "holds what happened on that day, and late records of up to 1 day before.",
        "reviews": "created or changed on that day, and late records of up to 2 days before.",
    }.items():
        assert told in section(page, f"### Source `{source}`")
    computed = section(page, "### `library.circulation`")
    assert "Computed from `raw.raw_loans` (with 1 day after) and" in computed


def test_no_table_of_another_subject_is_described_on_it(subject: Subject, page: str) -> None:
    others = {
        table.name
        for other in (*SUBJECTS, TINY)
        if other is not subject
        for table in (*other.raw_tables, *other.tables)
    }
    assert not {name for name in others if f"\n### `{name}`\n" in page}


def test_links_lead_somewhere(subject: Subject, page: str) -> None:
    headings = re.findall(r"^#+ (.+)$", page, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors
    for path in re.findall(r"\]\(([^)#]+)#?", page):
        assert (PACKAGE / subject.name / path).resolve().exists()


def test_a_guide_opens_the_page_of_its_subject() -> None:
    guided = [subject for subject in SUBJECTS if subject.guide is not None]
    assert guided
    for subject in guided:
        assert subject.guide is not None
        page = page_of(subject, *SUBJECTS)
        assert page.index(subject.guide.read_text(encoding="utf-8").strip()) < page.index(
            "\n## Sources\n"
        )


@pytest.mark.parametrize("text", ["Written by hand.\n", None], ids=["stale", "missing"])
def test_a_stale_page_is_named_and_left_alone_until_it_is_written(
    text: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    package = tmp_path / "harvey_pipeline"
    monkeypatch.setattr(docs, "_PACKAGE", package)
    pages = docs.build_pages(package)
    for path, page in pages.items():
        path.parent.mkdir(parents=True)
        path.write_text(page, encoding="utf-8")
    assert run_command(APP, ["docs", "--check"]) == 0
    stale = package / SUBJECTS[0].name / docs.PAGE
    stale.unlink() if text is None else stale.write_text(text, encoding="utf-8")
    capsys.readouterr()

    assert run_command(APP, ["docs", "--check"]) == 1
    printed = capsys.readouterr().out
    assert f"harvey_pipeline/{SUBJECTS[0].name}/README.md: stale" in printed
    assert printed.count("stale") == 1
    assert (stale.read_text(encoding="utf-8") if stale.exists() else None) == text

    assert run_command(APP, ["docs"]) == 0
    assert {path: path.read_text(encoding="utf-8") for path in pages} == pages
    assert run_command(APP, ["docs", "--check"]) == 0


def test_a_page_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docs, "_PACKAGE", tmp_path / "nowhere")
    assert run_command(APP, ["docs"]) == 2
    assert "cannot be written" in capsys.readouterr().err
