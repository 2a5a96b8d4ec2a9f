"""A real S3 server as a process, a bucket in it, and a line to it that can break."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harvey_pipeline_tests.cli.commands import wait_until

BUCKET: Final = "drops"
_REGION: Final = "us-east-1"
_ANSWERS_WITHIN_SECONDS: Final = 120
_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}
_CALLS_THAT_MAKE_THE_USER: Final = 3


@dataclass(frozen=True)
class Storage:
    """An S3 server that demands signatures, and one who may do everything in it."""

    endpoint: str
    key_id: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        """What the storage's library reads."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": _REGION,
        }

    @property
    def client(self) -> Any:
        """The S3 client of another library than the one under test."""
        return _client("s3", self.endpoint, self.key_id, self.secret)

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=name, Body=content)

    def put_folder(self, folder: Path, name: str) -> str:
        """Copy a folder to the bucket, and return its address."""
        client = self.client
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                key = f"{name}/{path.relative_to(folder).as_posix()}"
                client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
        return f"s3://{BUCKET}/{name}"


def _client(service: str, endpoint: str, key_id: str, secret: str) -> Any:
    import boto3

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=_REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def running_storage(folder: Path) -> Iterator[Storage]:
    """A server that keeps its objects in memory, with an empty bucket."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    demanding = {"INITIAL_NO_AUTH_ACTION_COUNT": str(_CALLS_THAT_MAKE_THE_USER)}
    with (folder / "storage.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "--port", str(port)],
            env=os.environ | demanding,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: _answers(endpoint, process), _ANSWERS_WITHIN_SECONDS)
        users = _client("iam", endpoint, "nobody", "yet")
        users.create_user(UserName="deliverer")
        users.put_user_policy(
            UserName="deliverer", PolicyName="all", PolicyDocument=json.dumps(_POLICY)
        )
        key = users.create_access_key(UserName="deliverer")["AccessKey"]
        storage = Storage(endpoint, key["AccessKeyId"], key["SecretAccessKey"])
        storage.client.create_bucket(Bucket=BUCKET)
        _forget_connections()
        yield storage
    finally:
        _forget_connections()
        process.terminate()
        process.wait(timeout=60)


def _forget_connections() -> None:
    """Let whoever opens a storage next in this process look at the environment again."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


def _answers(endpoint: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the storage server has ended"
    try:
        with urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=10):
            return True
    except (urllib.error.URLError, OSError):
        return False


class Line:
    """A line to a storage that breaks for good once so many files were fetched."""

    def __init__(self, storage: Storage, files: int) -> None:
        self.port = free_port()
        self.is_broken = False
        self._left = files
        self._to = int(storage.endpoint.rpartition(":")[2])
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def environment(self, storage: Storage) -> Mapping[str, str]:
        return storage.environment | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError), one, other:
            while (said := one.recv(1 << 16)) and not self._breaks(said):
                other.sendall(said)

    def _breaks(self, said: bytes) -> bool:
        if re.match(rb"GET /\S+/\d{4}-\d\d-\d\d\.", said):
            with self._lock:
                self._left -= 1
                self.is_broken = self.is_broken or self._left < 0
        return self.is_broken
