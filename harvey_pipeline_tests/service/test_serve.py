"""`harvey serve`: what it refuses before anything is started, and how it ends."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harvey_pipeline_tests.cli.commands import assert_refused, environment, run_harvey
from harvey_pipeline_tests.service.published_profiles import days_now, publish_profiles
from harvey_pipeline_tests.service.servers import TOKEN, served

NO_REDIS = "redis://127.0.0.1:1/0"


def test_without_its_extra_it_says_how_to_install_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['fastapi'] = sys.modules['redis'] = None; "
        "sys.argv = ['harvey', 'serve']; from harvey_pipeline.cli import main; main()"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert_refused(finished, "fastapi and redis cannot be found", "pip install -e '.[live]'")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.services
def test_without_a_token_it_does_not_start(tmp_path: Path) -> None:
    assert_refused(run_harvey(tmp_path, "serve"), "HARVEY_CONTEXT_TOKEN is not set")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.services
def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        finished = run_harvey(tmp_path, "serve", "--port", port, HARVEY_CONTEXT_TOKEN=TOKEN)
    assert_refused(finished, f"port {port} of 127.0.0.1 is taken", "another --port")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.services
def test_settings_that_cannot_be_used_are_refused_without_being_told(tmp_path: Path) -> None:
    finished = run_harvey(
        tmp_path, "serve", HARVEY_CONTEXT_TOKEN=TOKEN, HARVEY_REDIS_URL="http://user:hush@host"
    )
    assert_refused(finished, "HARVEY_REDIS_URL is no address of Redis")
    assert "hush" not in finished.stderr


@pytest.mark.services
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_although_a_client_stays_connected(
    tmp_path: Path, number: signal.Signals
) -> None:
    publish_profiles(tmp_path, ["ana"], days_now().yesterday)
    with served(tmp_path, NO_REDIS) as server:
        port = int(server.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: harvey\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
            server.process.send_signal(number)
            assert server.process.wait(timeout=20) == 128 + number
        log = server.log.read_text()
    assert "Traceback" not in log
    assert "interrupted" not in log
    # The copy's folder is as it was: nothing is left behind.
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"serve.log", "warehouse.duckdb", "warehouse.published.duckdb"}
