"""What columns are made of: found by trying, and kept in a file."""

from pathlib import Path

import dagster as dg
import pytest

from harvey_pipeline.definitions import sources_of, tables_of
from harvey_pipeline.graph.experiments import find_lineage
from harvey_pipeline.graph.lineage import Lineage, lineage_text, read_lineage
from harvey_pipeline_tests.tiny import SUBJECT as TINY


@pytest.mark.parametrize(
    ("table", "column", "made_of"),
    [
        ("library.dim_shelf", "shelf_id", ["raw.raw_shelves.shelf_id"]),
        ("library.dim_shelf", "room", ["raw.raw_shelves.room"]),
        # The late deliveries of a day are dated by the record, not by the drop.
        (
            "library.circulation",
            "date",
            ["raw.raw_loans.event_date", "raw.raw_reviews.event_date"],
        ),
    ],
)
def test_what_a_column_is_made_of_is_found(table: str, column: str, made_of: list[str]) -> None:
    [asset] = [one for one in TINY.table_assets if one.table.name == table]
    sources = {source.table.name: source for source in sources_of([TINY])}
    assert find_lineage(asset, tables_of([TINY]), sources)[column] == made_of


def test_a_file_holds_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "lineage.json"
    assert read_lineage(path) == {}
    lineage = {
        "a.b": Lineage("v1", {"day": ["c.d.day"], "one": []}),
        "a.e": Lineage("v2", {"sum": ["a.b.one", "c.d.x"]}),
    }
    path.write_text(lineage_text(lineage))
    assert read_lineage(path) == lineage
    assert '    "sum": ["a.b.one", "c.d.x"]\n' in path.read_text()
    shown = lineage["a.e"].metadata.deps_by_column["sum"]
    assert [(one.asset_key, one.column_name) for one in shown] == [
        (dg.AssetKey(["a", "b"]), "one"),
        (dg.AssetKey(["c", "d"]), "x"),
    ]
