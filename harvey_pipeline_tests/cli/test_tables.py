"""`harvey tables`: every table and view in a list, and one in full."""

import pytest

from harvey_pipeline.definitions import SUBJECTS, tables_of, views_of
from harvey_pipeline_tests.cli.commands import assert_refused
from harvey_pipeline_tests.cli.conftest import Harvey

TABLES = tables_of(SUBJECTS)
VIEWS = views_of(SUBJECTS)


def test_every_table_is_listed_under_its_schema(harvey: Harvey) -> None:
    finished = harvey("tables", HARVEY_SUBJECTS="")
    assert (finished.returncode, finished.stderr) == (0, "")
    lines = [line.rstrip() for line in finished.stdout.splitlines()]
    assert VIEWS
    described = {name: table.description for name, table in TABLES.items()}
    for name, description in (described | {view.name: view.description for view in VIEWS}).items():
        (line,) = (line for line in lines if line.startswith(f"{name} "))
        assert line.endswith(description)
    sections = [line for line in lines if line.isidentifier()]
    assert sections == list(dict.fromkeys(name.partition(".")[0] for name in TABLES))


def test_a_schema_lists_its_own_tables(here: Harvey) -> None:
    lines = here("tables", "months").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "months",
        *(name for name in TABLES if name.startswith("months.")),
    ]


@pytest.mark.parametrize("columns", ["80", "1000"], ids=["at the width of a terminal", "in a pipe"])
def test_one_table_shows_its_columns_and_its_checks(here: Harvey, columns: str) -> None:
    finished = here("tables", "marts.growth_accounting", COLUMNS=columns)
    assert (finished.returncode, finished.stderr) == (0, "")
    rows = [line.split() for line in finished.stdout.splitlines()]
    assert ["marts.growth_accounting"] in rows
    assert ["Key:", "date,", "grain."] in rows
    for start in (
        ["date", "DATE", "key"],
        ["grain", "VARCHAR", "key"],
        ["quick_ratio", "DOUBLE", "nullable"],
        ["churned", "BIGINT", "Of"],
        ["schema_holds", "blocking"],
        ["key_is_unique", "One", "row", "per"],
        ["segments_sum_to_growth", "error"],
        ["previous_active_were_active", "warning"],
    ):
        assert any(row[: len(start)] == start for row in rows), start
    assert "One of: user, firm." in " ".join(finished.stdout.split())
    assert "…" not in finished.stdout


def test_one_view_shows_its_columns_and_what_it_reads(here: Harvey) -> None:
    finished = here("tables", "agents.approval_rate_trend")
    assert (finished.returncode, finished.stderr) == (0, "")
    lines = [line.rstrip() for line in finished.stdout.splitlines()]
    assert lines[0] == "agents.approval_rate_trend"
    told = " ".join(finished.stdout.split())
    assert "over agents.daily_agent_summary, agents.dim_date." in told
    (line,) = (line for line in lines if line.startswith("approved "))
    assert line.split(maxsplit=1)[1] == "Approved drafts."


def test_a_table_that_no_asset_is_named_after_has_no_checks(here: Harvey) -> None:
    assert "None: what writes the table is checked." in here("tables", "raw.quarantine").stdout


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        pytest.param("power_curve", "Did you mean marts.power_curve?", id="without its schema"),
        pytest.param("marts.power_curv", "Did you mean marts.power_curve", id="misspelt"),
        pytest.param("xyzzy", "named xyzzy. `harvey tables` lists", id="like no other"),
    ],
)
def test_an_unknown_table_is_refused_with_those_like_it(
    here: Harvey, name: str, meant: str
) -> None:
    assert_refused(here("tables", name), meant)
