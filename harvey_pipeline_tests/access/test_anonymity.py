"""Which counts are hidden: by hand, and against what linear algebra can get out of the rest."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvey_pipeline.access.anonymity import Cell, Split, hidden_cells
from harvey_pipeline_tests.access.working_out import is_told


def hidden(whole: int, rest: int = 0, **parts: int) -> set[Cell]:
    """What is hidden of one split."""
    counts: dict[Cell, int] = {"whole": whole}
    counts.update(parts)
    return hidden_cells(counts, [Split("whole", tuple(parts), rest)])


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"a": 5, "b": 6}, set()),
        ({"a": 0, "b": 6}, set()),
        # One is hidden: the next smallest too, and no zero, which would hide nothing.
        ({"a": 4, "b": 7, "c": 6}, {"a", "c"}),
        ({"a": 1, "b": 0, "c": 6, "d": 6}, {"a", "c"}),
        # Two hidden ones protect each other, unless together they are fewer than 5.
        ({"a": 3, "b": 2, "c": 9}, {"a", "b"}),
        ({"a": 1, "b": 1, "c": 9}, {"a", "b", "c"}),
        # All there is are 4 people.
        ({"a": 4, "b": 0}, {"a", "whole"}),
    ],
)
def test_a_split_that_adds_up(parts: dict[str, int], expected: set[str]) -> None:
    assert hidden(sum(parts.values()), **parts) == expected


@pytest.mark.parametrize(
    ("whole", "rest", "parts", "expected"),
    [
        (40, 36, {"a": 4}, {"a"}),
        (40, 2, {"a": 38}, {"a"}),
        (40, 0, {"a": 40}, set()),
        (8, 4, {"a": 4}, {"a"}),
        # 6 - 5 = 1 is told by whole and part, so the part goes.
        (6, 1, {"a": 5}, {"a"}),
        # 10 - 6 = 4 would be told: 2 in part b, and 2 in none.
        (10, 2, {"a": 6, "b": 2}, {"a", "b"}),
    ],
)
def test_a_split_with_people_in_no_cell(
    whole: int, rest: int, parts: dict[str, int], expected: set[str]
) -> None:
    assert hidden(whole, rest, **parts) == expected


def test_a_hidden_whole_is_not_told_by_its_parts() -> None:
    """2 users are idle, so that the active ones are hidden; the sum of risks would tell them."""
    counts: dict[Cell, int] = {"users": 10, "active": 8, "high": 5, "low": 3}
    splits = [Split("users", ("active",), 2), Split("active", ("high", "low"))]
    assert hidden_cells(counts, splits) == {"active", "low"}
    counts = {"users": 12, "active": 10, "high": 5, "low": 5}
    assert hidden_cells(counts, splits) == {"active", "high"}


def test_equally_small_parts_are_hidden_in_their_order() -> None:
    assert hidden(15, a=6, b=3, c=6) == {"a", "b"}
    assert hidden(15, c=6, b=3, a=6) == {"c", "b"}


def test_what_nobody_knows_is_no_cell() -> None:
    counts: dict[Cell, int] = {"whole": 20, "b": 6}
    assert hidden_cells(counts, [Split("whole", ("a", "b"), 14)]) == set()


# --- what can be worked out ----------------------------------------------------------------------


SMALL = st.integers(0, 12)


@st.composite
def weeks(draw: st.DrawFn) -> tuple[Mapping[Cell, int], list[Split]]:
    """A tree of splits like those of the dashboard: a part is the whole of others."""
    high, low, low_other, idle = (draw(SMALL) for _ in range(4))
    suppressed = draw(st.integers(0, low))
    active = high + low + low_other
    power, regular = draw(st.integers(0, active)), draw(SMALL)
    users = max(active + idle, power + regular)
    casual = users - power - regular
    convertible = draw(st.integers(0, casual))
    counts: dict[Cell, int] = {
        **{"users": users, "active": active, "high": high, "low": low, "other": low_other},
        **{"suppressed": suppressed, "power": power, "regular": regular, "casual": casual},
        "convertible": convertible,
    }
    splits = [
        Split("users", ("casual", "regular", "power")),
        Split("users", ("active",), users - active),
        Split("active", ("high", "low", "other")),
        Split("low", ("suppressed",), low - suppressed),
        Split("casual", ("convertible",), casual - convertible),
    ]
    return counts, splits


@given(weeks())
def test_no_small_count_can_be_worked_out(
    week: tuple[Mapping[Cell, int], list[Split]],
) -> None:
    counts, splits = week
    unknown = hidden_cells(counts, splits)
    small = {cell for cell, count in counts.items() if 0 < count < 5}
    assert small <= unknown
    assert not {cell for cell in unknown if counts[cell] == 0}
    for cell in unknown:
        assert not is_told(cell, unknown, splits), cell


def test_the_elimination_finds_what_is_told() -> None:
    """Guards the reference: with one hidden cell a split tells it, with two it does not."""
    splits = [Split("whole", ("a", "b", "c"))]
    assert is_told("a", {"a"}, splits)
    assert not is_told("a", {"a", "b"}, splits)
    assert is_told("whole", {"whole"}, splits)
    assert not is_told("a", {"a"}, [Split("whole", ("a", "b"), 3)])
