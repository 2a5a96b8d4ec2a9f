"""What all tests share: the calendar, and that long tests start first."""

import os

import pytest

# The calendar is read when the graph is first imported.
os.environ.setdefault("HARVEY_START_DATE", "2023-01-01")
os.environ.setdefault("HARVEY_END_DATE", "2025-12-31")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start long tests first, after the shuffle, so that no worker is left alone with one."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
