"""Canonical JSON: one text for one value, and its hashes."""

import hashlib
from datetime import date
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.conversations.transforms.canonical import as_json_text
from harvey_pipeline.llm.canonical import canonical_json, hash_of, input_hash


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, 0.5]}, '{"a":[true,null,0.5],"b":1}'),
        ({"\u00e4": 1, "z": 2, "Z": 3}, '{"Z":3,"z":2,"\u00e4":1}'),
        ('"\\\n\x01\x7f\u2028/', '"\\"\\\\\\n\\u0001\x7f\u2028/"'),
        ([], "[]"),
    ],
)
def test_canonical_json(value: Any, text: str) -> None:
    assert canonical_json(value) == text


def test_texts_are_as_in_columns_of_canonical_json() -> None:
    texts = ["".join(map(chr, range(0x20))), 'a"b\\c/d', "\x7f\u00e4\u2028\U0001f600"]
    found = pl.DataFrame({"text": texts}).select(as_json_text(pl.col("text"))).to_series()
    assert found.to_list() == [canonical_json(text) for text in texts]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_has_not_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json([value])


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        canonical_json({"day": date(2024, 4, 1)})


def test_hashes() -> None:
    def sha(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    assert hash_of("a", 1) == sha('["a",1]')
    assert input_hash("v1", "m", {"b": 1}) == sha('["v1","m",{"b":1}]')
    assert input_hash("v1", "m", {"b": 1}, purpose="p") == sha('["p","v1","m",{"b":1}]')
