"""Words that chapters share."""

import pytest

from harvey_pipeline.reports.page import Unit
from harvey_pipeline.reports.wording import change, counted, distinct, listed, moved, named


@pytest.mark.parametrize(
    ("count", "nouns", "told"),
    [
        (0, ("draft",), "0 drafts"),
        (1, ("draft",), "1 draft"),
        (2, ("query", "queries"), "2 queries"),
        (12_345, ("draft",), "12,345 drafts"),
    ],
)
def test_counted(count: int, nouns: tuple[str, ...], told: str) -> None:
    assert counted(count, *nouns) == told


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), ""),
        (("a",), "a"),
        (("a", "b"), "a and b"),
        (("a", "b", "c"), "a, b and c"),
        (("a", "b", "c", "d", "e"), "a, b, c and 2 more"),
    ],
)
def test_listed(names: tuple[str, ...], told: str) -> None:
    assert listed(names) == told


def test_names_are_one_line_of_a_bounded_length() -> None:
    assert named("a\nb\u202e\x1bc") == "a b  c"
    assert named("x" * 60) == "x" * 60
    assert named("x" * 61) == "x" * 59 + "…"


def test_equal_labels_are_numbered() -> None:
    assert distinct(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]
    assert distinct(["a", "a (2)", "a"]) == ["a", "a (2)", "a (3)"]


@pytest.mark.parametrize(
    ("now", "before", "unit", "days", "told"),
    [
        (47, 41, "count", 30, "+6 (+14.6 %) in 30 days"),
        (41, 47, "count", 1, "-6 (-12.8 %) in 1 day"),
        (5, 0, "count", 7, "+5 in 7 days"),
        (5, 5, "count", 7, "no change in 7 days"),
        (2_500.0, 1_000.0, "number", 7, "+1,500.0 (+150.0 %) in 7 days"),
        (10.25, 10.0, "percent", 7, "+0.2 points in 7 days"),
        (10.04, 10.0, "percent", 7, "no change in 7 days"),
    ],
)
def test_change(now: float, before: float, unit: Unit, days: int, told: str) -> None:
    assert change(now, before, unit, days) == told


@pytest.mark.parametrize(
    ("now", "before", "unit", "told"),
    [
        (47, 41, "count", "rose from 41 to 47 (+14.6 %) in 30 days"),
        (41, 47, "count", "fell from 47 to 41 (-12.8 %) in 30 days"),
        (3, 0, "count", "rose from 0 to 3 in 30 days"),
        (41, 41, "count", "stayed at 41 in 30 days"),
        (50.04, 50.0, "percent", "stayed at 50.0 % in 30 days"),
        (51.5, 50.0, "percent", "rose from 50.0 % to 51.5 % in 30 days"),
    ],
)
def test_moved(now: float, before: float, unit: Unit, told: str) -> None:
    assert moved(now, before, unit, 30) == told
