"""Sums merge: however rows are divided, and in whichever groups and order, the outcome is one."""

import polars as pl
from hypothesis import strategies as st

from harvey_pipeline.landing.sums import EventSums

_PARTS = 5


def assert_merges(sums: EventSums, key: list[str], rows: pl.DataFrame, draw: st.DataObject) -> None:
    """Divide rows, some parts without any, merge the sums group by group, and compare."""
    whole = sums.partial(rows.lazy()).collect()
    assert not any(dtype.is_float() for dtype in whole.schema.values())
    places = draw.draw(
        st.lists(st.integers(0, _PARTS - 1), min_size=rows.height, max_size=rows.height)
    )
    of_part = pl.Series("part", places, dtype=pl.Int64)
    made = [sums.partial(rows.filter(of_part == part).lazy()).collect() for part in range(_PARTS)]
    while len(made) > 1:
        shuffled = draw.draw(st.permutations(made))
        size = draw.draw(st.integers(2, len(made)))
        merged = sums.merge(pl.concat(shuffled[:size]).lazy()).collect()
        made = [merged, *shuffled[size:]]
    [found] = made
    assert found.schema == whole.schema
    lists = [name for name, dtype in whole.schema.items() if dtype == pl.List]
    first, second = (
        frame.sort(key).with_columns(pl.col(lists).list.sort()) for frame in (found, whole)
    )
    assert first.equals(second)
