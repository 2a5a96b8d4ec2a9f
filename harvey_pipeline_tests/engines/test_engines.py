"""Engines: what each promises, and what is said where one cannot be used."""

import sys
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.engines.chosen import engine_at
from harvey_pipeline.engines.engine import EngineError
from harvey_pipeline.engines.one_machine import OneMachine
from harvey_pipeline.engines.spark import Spark, _what_matters

NUMBERS = st.lists(
    st.lists(st.lists(st.integers(0, 5) | st.just(2**64 - 1), max_size=4), max_size=3), max_size=3
)


def test_without_an_address_it_is_this_machine() -> None:
    engine = engine_at("")
    assert isinstance(engine, OneMachine)
    assert not engine.is_elsewhere
    assert engine.describe() == {}


def test_a_spark_is_chosen_before_anything_of_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    engine = engine_at("local[1]")
    assert engine.is_elsewhere
    assert engine.describe() == {"engine": "spark"}
    assert engine.map(str, []) == []
    assert engine.repeated(len_of, []).to_list() == []


def len_of(items: Any) -> pl.Series:
    return pl.Series([len(items)], dtype=pl.UInt64)


def test_results_come_in_the_order_of_their_items() -> None:
    assert OneMachine().map(str, [3, 1, 2]) == ["3", "1", "2"]


@settings(max_examples=30, deadline=None)
@given(NUMBERS)
def test_numbers_that_come_more_than_once_are_found_whatever_the_group(
    groups: list[list[list[int]]],
) -> None:
    def numbers(items: Any) -> pl.Series:
        return pl.Series([one for item in items for one in item], dtype=pl.UInt64)

    every = [one for group in groups for item in group for one in item]
    expected = {one for one in every if every.count(one) > 1}
    found = OneMachine().repeated(numbers, groups).to_list()
    assert sorted(found) == sorted(expected)


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(EngineError, match=r"pip install 'harvey_pipeline\[spark\]'"):
        Spark("local[1]").map(str, [1])


TRACED = """An exception was thrown from the Python worker. Please see the stack trace below.
[PYTHON_EXCEPTION] An exception was thrown: Traceback (most recent call last):
  File "spark.py", line 230, in _calls
    raise ValueError("inner: x")
ModuleNotFoundError: No module named 'harvey_pipeline'
 SQLSTATE: 38000
"""
REFUSED = """An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "spark.py", line 230, in _calls
harvey_pipeline.engines.engine.EngineError: the worker w1 has Python 3.11, and more is needed
"""
GONE = """<_MultiThreadedRendezvous of RPC that terminated with:
	status = StatusCode.UNAVAILABLE
	details = "Socket closed"
>"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TRACED, "ModuleNotFoundError: No module named 'harvey_pipeline'"),
        (REFUSED, "the worker w1 has Python 3.11, and more is needed"),
        (GONE, "Socket closed"),
        (
            "\n  Job aborted due to stage failure.\n\tat org.apache",
            "Job aborted due to stage failure",
        ),
        ("", "OSError"),
    ],
)
def test_of_a_long_error_what_matters_is_told(text: str, told: str) -> None:
    assert _what_matters(OSError(text)) == told
