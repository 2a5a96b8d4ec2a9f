"""Readers of words, of texts that are measured, and of numbers within bounds."""

from typing import Any

import polars as pl
import pytest

from harvey_pipeline.landing.measures import (
    HAS_ELEMENTS,
    HAS_KEYS,
    IS_WRITTEN,
    LENGTH,
    LIST_LENGTH,
    NAME,
    PERCENT,
    decimal_between,
    excerpt,
    whole_score,
    with_default,
    word,
)
from harvey_pipeline.landing.readers import Reader
from harvey_pipeline.landing.source import Column

MISSING = [None, "", "NULL", " none ", "NaN", r"\N"]


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (word(), " Approved\t", "approved"),
        (word(), "unknown", "unknown"),
        (word(), "   ", None),
        (word("unknown"), " UnKnown ", None),
        (word("unknown"), "unknowns", "unknowns"),
        (LENGTH, " a é😀 ", 6),
        (LENGTH, "  ", 2),
        (LENGTH, "a\nb", 3),
        (IS_WRITTEN, " \t\r\n", False),
        (IS_WRITTEN, " \n x", True),
        (excerpt(3), " äöü", " äö"),
        (LIST_LENGTH, "[]", 0),
        (LIST_LENGTH, ' [ "a" , "b, c" ] ', 2),
        (LIST_LENGTH, '["a \\" , b"]', 1),
        (LIST_LENGTH, '[1, {"a": [2, 3]}, null]', 3),
        (LIST_LENGTH, "[NaN]", None),
        (LIST_LENGTH, '["a"] x', None),
        (LIST_LENGTH, '["a",]', None),
        (LIST_LENGTH, '["a" "b"]', None),
        (LIST_LENGTH, '["tab\tinside"]', None),
        (LIST_LENGTH, '{"a": 1}', None),
        (LIST_LENGTH, "3", None),
        (HAS_ELEMENTS, "[]", False),
        (HAS_ELEMENTS, "[null]", True),
        (HAS_KEYS, "{}", False),
        (HAS_KEYS, '{"a": {}}', True),
        (HAS_KEYS, "[1]", None),
        (whole_score(1, 5), "4.0", 4),
        (whole_score(1, 5), "4.5", None),
        (whole_score(1, 5), "0", None),
        (whole_score(1, 5), "6", None),
        (PERCENT, "0", 0.0),
        (PERCENT, "100", 100.0),
        (PERCENT, "100.01", None),
        (PERCENT, "-1", None),
        (PERCENT, "87.5", 87.5),
        (decimal_between(1, 5), "0.999", None),
        (decimal_between(1, 5), "1", 1.0),
        (decimal_between(1, 5), "4.125", 4.125),
        (decimal_between(1, 5), "5.0", 5.0),
        (decimal_between(1, 5), "5.001", None),
        (with_default(word(), "usual"), " Odd ", "odd"),
        (with_default(NAME, ""), " Ann ", "Ann"),
    ],
)
def test_what_a_text_stands_for(reader: Reader, text: str, value: Any) -> None:
    found = pl.DataFrame({"text": [text, "x", text]}).select(reader(pl.col("text"))).to_series()
    assert found.dtype == reader.dtype
    assert found.gather([0, 2]).to_list() == [value, value]


@pytest.mark.parametrize(
    "reader", [word(), LENGTH, IS_WRITTEN, excerpt(9), LIST_LENGTH, HAS_KEYS, PERCENT]
)
def test_nothing_and_written_nulls_are_missing(reader: Reader) -> None:
    found = pl.DataFrame({"text": MISSING}).select(reader(pl.col("text"))).to_series()
    assert found.to_list() == [None] * len(MISSING)


@pytest.mark.parametrize("default", ["usual", ""])
def test_a_default_stands_where_something_is_missing(default: str) -> None:
    reader = with_default(NAME, default)
    found = pl.DataFrame({"text": MISSING}).select(reader(pl.col("text"))).to_series()
    assert found.to_list() == [default] * len(MISSING)
    column = Column("by", "by", reader, "Who.", "by", missing="keep")
    assert not column.is_nullable
    assert not column.is_needed
    told = "`usual`" if default else "the empty text"
    assert reader.means.endswith(f"; {told} where missing")
