"""The raw tables over small landing folders, one for every sentence of the landing contract."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from harvey_pipeline_tests.builders import (
    SOURCES,
    day_range,
    quality_rows,
    raw_store,
    table_rows,
)
from harvey_pipeline_tests.contract_cases import CASES, Case, write_case
from harvey_pipeline_tests.engagement.oracle import expected_raw_tables
from harvey_pipeline_tests.pipelines import assert_same_rows, days_between


def marks_of(case: Case) -> Sequence[pytest.MarkDecorator]:
    """What drops have said already, exports say once more when there is time."""
    has_twin = f"{case.id.removesuffix('-in-exports')}-in-drops" in IDS
    return [pytest.mark.long] if case.id.endswith("-in-exports") and has_twin else []


IDS = {case.id for case in CASES}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.id, marks=marks_of(case)) for case in CASES]
)
def test_a_landing_folder_becomes_what_the_contract_says(tmp_path: Path, case: Case) -> None:
    store = raw_store(tmp_path, start_date=str(case.first))
    write_case(case, tmp_path / "landing")
    expected = expected_raw_tables(
        tmp_path / "landing", days_between(case.first, case.last), case.first
    )
    with store.warehouse.kept_open():
        for source in SOURCES.values():
            store.ingest(source, day_range(case.first, case.last))
        quality = "marts.data_quality_daily"
        found = quality_rows(store, tuple(SOURCES.values()), day_range(case.first, case.last), {})
        assert_same_rows(quality, found, expected.pop(quality))
        for name, rows in expected.items():
            assert_same_rows(name, table_rows(store, name), rows)
