"""`harvey ui` as a user meets it: what it refuses before anything is started."""

import socket
from pathlib import Path

import pytest

from harvey_pipeline_tests.cli.commands import assert_refused
from harvey_pipeline_tests.cli.conftest import Harvey


def test_a_port_that_is_taken_is_refused_and_nothing_is_started(
    tmp_path: Path, harvey: Harvey
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        finished = harvey("ui", "--port", str(port))
    assert_refused(
        finished, f"port {port} of 127.0.0.1 is taken by another process", "another --port"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_a_port_that_no_port_is_is_refused(tmp_path: Path, harvey: Harvey, port: str) -> None:
    assert_refused(harvey("ui", "--port", port), "'--port'")
    assert list(tmp_path.iterdir()) == []


def test_a_host_of_another_machine_is_refused(harvey: Harvey) -> None:
    assert_refused(harvey("ui", "--host", "192.0.2.1"), "192.0.2.1 is no address", "--host")
