"""What is said where redis-py is not installed."""

import sys

import pytest

from harvey_pipeline.live.redis_client import MissingExtraError, connect, is_of_redis
from harvey_pipeline.live.settings import LiveSettings


def test_without_the_extra_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(MissingExtraError, match=r"pip install -e '\.\[live\]'"):
        connect(LiveSettings())


def test_an_error_of_something_else_is_none_of_redis() -> None:
    assert not is_of_redis(ConnectionError())
    assert not is_of_redis(MissingExtraError())
