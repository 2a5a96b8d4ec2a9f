"""A real Spark as processes: a standalone master, and workers of one core each."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from harvey_pipeline_tests.cli.commands import REPOSITORY, wait_until
from harvey_pipeline_tests.object_storage import free_port

_STARTS_WITHIN_SECONDS: Final = 120
_DEFAULTS: Final = """
spark.driver.host 127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.driver.memory 512m
spark.executor.memory 512m
spark.ui.enabled false
"""


@dataclass(frozen=True)
class Cluster:
    """A master's address, its workers, and what a driver's environment needs to use them."""

    address: str
    environment: Mapping[str, str]
    workers: list["subprocess.Popen[bytes]"]
    """Those that are alive; each leads a group with its executor."""

    def kill_worker(self) -> None:
        """Kill a worker and its executor, as a machine that fails."""
        worker = self.workers.pop()
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(timeout=60)


@contextmanager
def running_cluster(
    folder: Path, workers: int = 2, variables: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """A cluster whose processes end with it; `variables` are its workers' beside this process's."""
    import pyspark

    home = Path(pyspark.__file__).parent
    (folder / "conf").mkdir(parents=True)
    (folder / "conf" / "spark-defaults.conf").write_text(_DEFAULTS)
    own = {
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(folder / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(REPOSITORY),
    }
    port, shown = free_port(), free_port()
    address = f"spark://127.0.0.1:{port}"
    begun: list[subprocess.Popen[bytes]] = []

    def begin(name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        with (folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(home / "bin" / "spark-class"), *arguments],
                env={**os.environ, **own, **(variables or {})},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        begun.append(process)
        return process

    try:
        where = ("--host", "127.0.0.1", "--port", str(port), "--webui-port", str(shown))
        begin("master", "org.apache.spark.deploy.master.Master", *where)
        wait_until(lambda: _alive(shown) is not None, _STARTS_WITHIN_SECONDS)
        alive = [
            begin(
                f"worker-{number}",
                "org.apache.spark.deploy.worker.Worker",
                *("--host", "127.0.0.1", "--webui-port", str(free_port())),
                *("--cores", "1", "--memory", "1g", "--work-dir", str(folder / "work")),
                address,
            )
            for number in range(workers)
        ]
        wait_until(lambda: _alive(shown) == workers, _STARTS_WITHIN_SECONDS)
        yield Cluster(address, own, alive)
    finally:
        for process in begun:
            if process.poll() is None:
                # Asked to end, a master may take minutes over it.
                os.killpg(process.pid, signal.SIGKILL)
        for process in begun:
            process.wait(timeout=60)


@dataclass(frozen=True)
class Connect:
    """A server of Spark Connect with workers of its own on this machine."""

    address: str
    server: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """Kill it and its workers, as a machine that fails."""
        os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait(timeout=60)


@contextmanager
def running_connect(folder: Path, port: int | None = None) -> Iterator[Connect]:
    """A server of Spark Connect, whose processes end with it."""
    import pyspark

    port = port or free_port()
    # What a cluster of this process's has set, its memory too, is not for this one.
    own = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")} | {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(REPOSITORY),
    }
    with (folder / "connect.log").open("wb") as log:
        server = subprocess.Popen(
            [
                str(Path(pyspark.__file__).parent / "bin" / "spark-submit"),
                *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
                *("--master", "local[2]", "--driver-memory", "512m"),
                *("--conf", f"spark.connect.grpc.binding.port={port}"),
                *("--conf", "spark.ui.enabled=false"),
                "spark-internal",
            ],
            env=own,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: _is_open(port) or server.poll() is not None, _STARTS_WITHIN_SECONDS)
        assert server.poll() is None, (folder / "connect.log").read_text()
        yield Connect(f"sc://127.0.0.1:{port}", server)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=60)


def _is_open(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            return True
    except OSError:
        return False


def _alive(port: int) -> int | None:
    """How many workers the master's own page counts; None before it answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
            text = str(page.read().decode())
    except OSError:
        return None
    return text.count("<td>ALIVE</td>")
