"""Whether rows are distinct is told by hashes, and by the rows where hashes meet."""

import polars as pl
import pytest

from harvey_pipeline.landing.repeats import are_distinct


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param({"a": ["x", "y"]}, True, id="one column, distinct"),
        pytest.param({"a": ["x", "x"]}, False, id="one column, alike"),
        pytest.param({"a": ["x", "x"], "b": [1, 2]}, True, id="two columns, distinct together"),
        pytest.param({"a": ["x", "x"], "b": [1, 1]}, False, id="two columns, alike"),
        pytest.param({"a": [None, None]}, False, id="nulls are alike"),
        pytest.param({"a": []}, True, id="no rows"),
    ],
)
def test_rows_are_distinct(rows: dict[str, list[object]], expected: bool) -> None:
    assert are_distinct(pl.DataFrame(rows)) is expected


def test_hashes_that_meet_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.Expr, "hash", lambda self, *_: self.is_null().cast(pl.UInt64))
    assert are_distinct(pl.DataFrame({"a": ["x", "y"]}))
    assert not are_distinct(pl.DataFrame({"a": ["x", "x"]}))
