"""A real server of the endpoints for the roles, and requests to it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harvey_pipeline.service.roles import router
from harvey_pipeline_tests.access.copies import TODAY

SECRET = "pepper"


@contextmanager
def serving(warehouse: Path, **settings: Any) -> Iterator[str]:
    """The address of a server over the copy beside a warehouse; it ends with the block."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()
    app.include_router(
        router(warehouse, **{"secret": lambda: SECRET, "today": lambda: TODAY} | settings)
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
