"""Every column that may hold a person is declared: an erasure reaches what is declared alone."""

import pytest

from harvey_pipeline.definitions import ALL_SUBJECTS, sources_of, tables_of
from harvey_pipeline.warehouse.table import Table

TABLES = tables_of(ALL_SUBJECTS)

OF_PERSONS = frozenset(
    {
        *("user_id", "actor_id", "manager_id", "labelled_by", "email", "user_hash"),
        *("customer_email", "annotator_email", "customer_sk", "annotator_sk"),
    }
)
"""Names of columns that hold a person's id, address, or a key made of one."""


@pytest.mark.parametrize("table", TABLES.values(), ids=str)
def test_columns_of_persons_are_declared(table: Table) -> None:
    found = OF_PERSONS & table.polars_schema.keys()
    # A dimension's own key goes with its row.
    keys = {"customer_sk", "annotator_sk"} if len(found) > 1 else set()
    assert found - keys == {name for name in table.persons if name != "entity_id"}
    assert set(table.persons) <= table.polars_schema.keys()


def test_a_row_is_that_of_the_person_in_its_key() -> None:
    """Guards against rows of somebody that go with whoever is named beside."""
    for table in TABLES.values():
        if table.persons and table.key and table.schema_name != "raw":
            assert table.persons[0] in table.key or table.name in {
                "agents.dim_annotator",
                "agents.dim_customer",
                "agents.fact_agent_approval",
                "agents.fact_training_feedback",
                "agents.customer_daily",
                "llm.llm_cache",
                "llm.llm_traces",
            }, table.name


def test_sources_and_their_tables_agree() -> None:
    sources = sources_of(ALL_SUBJECTS)
    assert sum(bool(source.persons) for source in sources) >= 13
    for source in sources:
        assert source.table.persons == source.persons


def test_firms_are_no_persons() -> None:
    table = TABLES["core.first_activity"]
    assert (table.persons, table.persons_if) == (("entity_id",), "grain = 'user'")
