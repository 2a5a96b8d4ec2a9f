"""A Redis server for the tests of a file, empty for each, and a place to stream to at noon."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from harvey_pipeline_tests.faults.clocks import Clock
from harvey_pipeline_tests.live.streams import Place, RedisServer, new_place, new_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = new_server(tmp_path_factory.mktemp("redis"))
    with server.running():
        yield server


@pytest.fixture
def client(server: RedisServer) -> Iterator[Any]:
    client = server.client
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def place(tmp_path: Path, server: RedisServer, client: Any) -> Place:
    assert client.ping()
    noon = datetime(2024, 2, 28, 12, 0, 0)
    return new_place(tmp_path / "place", server, date(2024, 1, 1), Clock.at(noon))
