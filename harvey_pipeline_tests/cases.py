"""Cases of which a few are for every run of the tests, and the others for the long ones."""

from collections.abc import Iterable
from typing import Any

import pytest


def quick_and_long(quick: Iterable[Any], long: Iterable[Any]) -> list[Any]:
    """Values for `pytest.mark.parametrize`, of which the latter carry the mark `long`."""
    return [*quick, *(pytest.param(one, marks=pytest.mark.long) for one in long)]
