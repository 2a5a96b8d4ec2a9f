"""What all tests share: the calendar, and that the longest tests start first."""

import os

import pytest

# The calendar is read when the graph is first imported.
os.environ.setdefault("HARVEY_START_DATE", "2023-01-01")
os.environ.setdefault("HARVEY_END_DATE", "2025-12-31")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start long tests first, after the shuffle, so that no worker is left alone with one."""
    items.sort(key=seconds_of, reverse=True)


def seconds_of(item: pytest.Item) -> int:
    """About how long a test takes: what `long` says, a second if it says nothing, 0 without it."""
    long = item.get_closest_marker("long")
    if long is None:
        return 0
    [seconds] = long.args or (1,)
    return int(seconds)
