"""Parquet files: every type as text, and only the contract's columns read."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvey_pipeline.landing.records import LandingError, open_delivery
from harvey_pipeline_tests.landing.records.reading import Column, Read, error_of, records_of


def read_table(root: Path, table: Any, *columns: Column, name: str = "x.parquet") -> list[Read]:
    pq.write_table(table, root / name, row_group_size=2)
    with open_delivery(columns, name, root / name, root) as delivery:
        return records_of(delivery)


SOME = UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("array", "holds", "expected"),
    [
        pytest.param(
            pa.array([1, None, 2**63 - 1]), "id", ["1", None, "9223372036854775807"], id="integers"
        ),
        pytest.param(
            pa.array([101.0, 1e20, 0.5, None]),
            "id",
            ["101", "100000000000000000000", "0.5", None],
            id="floats-as-ids",
        ),
        pytest.param(
            pa.array([5.0, 1e-7, 1e16, float("nan")]),
            "text",
            ["5.0", "0.0000001", "10000000000000000.0", "NaN"],
            id="floats",
        ),
        pytest.param(pa.array([0.1], pa.float32()), "text", ["0.1"], id="short-floats"),
        pytest.param(pa.array([Decimal("5.000000")]), "text", ["5.000000"], id="decimals"),
        pytest.param(
            pa.array([Decimal("5.00"), Decimal("5.10")]), "id", ["5", "5.10"], id="decimals-as-ids"
        ),
        pytest.param(pa.array([True, False]), "text", ["true", "false"], id="booleans"),
        pytest.param(pa.array([date(2024, 5, 1)]), "text", ["2024-05-01"], id="dates"),
        pytest.param(pa.array([time(9, 15)]), "text", ["09:15:00.000000"], id="times"),
        pytest.param(
            pa.array([datetime(2024, 5, 1, 9, 15)], pa.timestamp("ms")),
            "text",
            ["2024-05-01 09:15:00.000000"],
            id="moments",
        ),
        pytest.param(
            pa.array([datetime(2024, 5, 1, 9, tzinfo=UTC)], pa.timestamp("us", "Europe/Berlin")),
            "text",
            ["2024-05-01 09:00:00.000000"],
            id="moments-of-a-zone",
        ),
        pytest.param(
            pa.array([1_999, -1], pa.timestamp("ns")),
            "text",
            ["1970-01-01 00:00:00.000001", "1969-12-31 23:59:59.999999"],
            id="nanoseconds-are-cut",
        ),
        pytest.param(
            pa.array([2**62, None], pa.timestamp("ms")),
            "text",
            [str(2**62), None],
            id="moments-beyond-the-calendar",
        ),
        pytest.param(pa.array([b"\xc3\xa9", b"\xff"], pa.binary()), "id", ["é", None], id="bytes"),
        pytest.param(pa.array([SOME.bytes, None], pa.uuid()), "id", [str(SOME), None], id="UUIDs"),
        pytest.param(
            pa.array(["a", None, "a"]).dictionary_encode(),
            "text",
            ["a", None, "a"],
            id="dictionaries",
        ),
        pytest.param(pa.array(["a"], pa.large_string()), "text", ["a"], id="large-texts"),
        pytest.param(pa.array(["a", ""], pa.string_view()), "text", ["a", ""], id="text-views"),
        pytest.param(pa.array([[1, None]]), "json", ["[1, null]"], id="lists"),
        pytest.param(
            pa.array([{"é": date(2024, 5, 1)}, None]),
            "text",
            ['{"é": "2024-05-01"}', None],
            id="structs",
        ),
        pytest.param(
            pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            "json",
            ['{"k": 1}'],
            id="maps",
        ),
        pytest.param(pa.array([[1]]), "id", [None], id="lists-as-ids"),
        pytest.param(pa.nulls(2), "text", [None, None], id="nulls"),
    ],
)
def test_values_are_written_as_text(
    tmp_path: Path, array: Any, holds: Literal["text", "id", "json"], expected: list[str | None]
) -> None:
    found = read_table(tmp_path, pa.table({"a": array}), Column("a", holds=holds))
    assert found == [(place, (text,)) for place, text in enumerate(expected, start=1)]


def test_unknown_columns_are_named_and_never_read(tmp_path: Path) -> None:
    table = pa.table([[1], [2], [3], [4]], names=["a.b", " A ", "*", "*"])
    pq.write_table(table, tmp_path / "*.parquet")
    columns = (Column("a"), Column("b", is_required=False))
    with open_delivery(columns, "n", tmp_path / "*.parquet", tmp_path) as delivery:
        assert delivery.header == (("text_a", " A "),)
        assert delivery.unknown_columns == ["a.b", "*", "*"]
        assert records_of(delivery) == [(1, ("2",))]


def test_a_column_is_told_from_another_with_a_point_in_its_name(tmp_path: Path) -> None:
    table = pa.table([[1], [2]], names=["a.b", "a"])
    assert read_table(tmp_path, table, Column("a")) == [(1, ("2",))]


def test_rows_without_any_known_column_are_counted(tmp_path: Path) -> None:
    table = pa.table({"x": [1, 2, 3]})
    assert [n for n, _ in read_table(tmp_path, table, Column("a", is_required=False))] == [1, 2, 3]


def test_a_table_without_rows_has_no_records(tmp_path: Path) -> None:
    assert read_table(tmp_path, pa.table({"a": pa.array([], pa.int64())}), Column("a")) == []


def test_what_is_no_whole_file_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": list(range(999))}), tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    columns = (Column("a"),)
    assert "cannot be read" in error_of(tmp_path, whole[:-9], "x.parquet", columns)
    assert "is no Parquet file: it is text" in error_of(tmp_path, "a\n1\n", "x.parquet", columns)
    assert "is empty" in error_of(tmp_path, "", "x.parquet", columns)
    assert "lacks the column b" in error_of(tmp_path, whole, "x.parquet", (Column("b"),))
    broken = whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :]
    assert "cannot be read" in error_of(tmp_path, broken, "x.parquet", columns)


def test_a_column_twice_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table([[1], [2]], names=["a", "A"]), tmp_path / "x.parquet")
    with (
        pytest.raises(LandingError, match="has the column a twice"),
        open_delivery((Column("a"),), "x.parquet", tmp_path / "x.parquet", tmp_path),
    ):
        pass
