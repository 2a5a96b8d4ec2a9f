"""Every query of the subject's page runs over the published copy, and finds something."""

import re
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from harvey_pipeline.agents import SUBJECT
from harvey_pipeline.agents.sample import prepare_sample
from harvey_pipeline.warehouse.view import View
from harvey_pipeline_tests.agents.stars import Star

assert SUBJECT.guide is not None
QUERIES = re.findall(r"```sql\n(.*?)```", SUBJECT.guide.read_text(encoding="utf-8"), re.DOTALL)
FIRST = date(2024, 4, 1)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published copy of three days of sample data."""
    star = Star(tmp_path_factory.mktemp("queries"), FIRST, FIRST + timedelta(days=2))
    sizes = {"days": 3, "users": 100}
    made = prepare_sample(star.root / "landing", sizes)(lambda _: None)
    assert (made.first, made.last) == (star.first, star.last)
    star.materialise()
    star.publish()
    return star.root / "warehouse.published.duckdb"


def test_the_page_has_queries() -> None:
    assert len(QUERIES) >= 9


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_a_query_of_the_page_runs(copy: Path, query: str) -> None:
    with duckdb.connect(str(copy), read_only=True) as connection:
        rows = connection.execute(query).fetchall()
    # The sample lies in the past, and in three days hardly a plan changes.
    may_be_empty = "is_current_month" in query or "not is_current" in query
    assert rows or may_be_empty


@pytest.mark.parametrize("view", SUBJECT.views, ids=str)
def test_every_column_of_a_view_is_described(copy: Path, view: View) -> None:
    """Those that it takes from a table as they are have their descriptions there."""
    with duckdb.connect(str(copy), read_only=True) as connection:
        columns = connection.sql(f"select * from {view}").columns
        comments = dict(
            connection.execute(
                "select column_name, comment from duckdb_columns() "
                "where schema_name || '.' || table_name = ?",
                [view.name],
            ).fetchall()
        )
    inherited = {name for table in view.reads for name in table.polars_schema}
    assert set(view.columns) <= set(columns)
    assert set(columns) - set(view.columns) <= inherited
    assert all(comments[name] == told for name, told in view.columns.items())


def test_inner_joins_lose_no_fact(copy: Path) -> None:
    joins = {
        "fact_agent_approval": ("date", "agent_type", "shop", "customer"),
        "fact_agent_query": ("date", "agent_type", "shop"),
        "fact_training_feedback": ("date", "annotator", "shop"),
    }
    with duckdb.connect(str(copy), read_only=True) as connection:
        for fact, dimensions in joins.items():
            joined = " ".join(f"join agents.dim_{one} using ({one}_sk)" for one in dimensions)
            [row] = connection.execute(
                f"select (select count(*) from agents.{fact}), count(*) from agents.{fact} {joined}"
            ).fetchall()
            assert row[0] == row[1] > 0
