"""`harvey serve`: the published copy and the live sums over HTTP."""

import asyncio
import importlib.util
import logging
import signal
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from harvey_pipeline.cli.app import OK, Debug, UnusableError, WarehouseFile
from harvey_pipeline.cli.ports import refuse_taken_port
from harvey_pipeline.cli.show import output, say

if TYPE_CHECKING:
    from harvey_pipeline.settings import Settings

_NEEDED: Final = ("fastapi", "redis", "uvicorn")
_POLL_SECONDS: Final = 0.02
_CLOSES_WITHIN: Final = 5
"""Seconds that requests have to be answered when the service is stopped."""


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Serve contexts of users, and figures for roles, to who shows a token; Ctrl-C stops it."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UnusableError(
            f"{' and '.join(missing)} cannot be found. Install what serving needs: "
            "`pip install -e '.[live]'`."
        )
    from harvey_pipeline.live.settings import read_live_settings
    from harvey_pipeline.service.app import build_service
    from harvey_pipeline.service.settings import read_service_settings
    from harvey_pipeline.settings import read_settings

    settings = read_settings()
    given, live = read_service_settings(), read_live_settings()
    refuse_taken_port(host, port)
    _log_to_stderr(is_debugging=debug)
    service = build_service(settings.warehouse, live.redis_url, given)
    return _run(service, host, port, settings)


def _run(service: Any, host: str, port: int, settings: "Settings") -> int:
    """Serve until a signal comes; 128 and its number, as shells have it."""
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            service,
            host=host,
            port=port,
            log_config=None,
            # Its lines hold the path, and with that the id of a user.
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_CLOSES_WITHIN,
        )
    )
    stopped_by: list[int] = []

    def stop(number: int, _frame: object) -> None:
        stopped_by.append(number)
        server.should_exit = True

    async def attend() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():
            await asyncio.sleep(_POLL_SECONDS)
        if server.started:
            address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            say(
                output(),
                f"Serving what is published beside {settings.warehouse} at {address}; "
                f"{address}/docs says what can be asked. Ctrl-C stops it.",
            )
        await serving

    # uvicorn raises the signals again that have stopped it.
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        asyncio.run(attend())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 128 + stopped_by[0] if stopped_by else OK


def _log_to_stderr(*, is_debugging: bool) -> None:
    """Log requests, and what goes wrong, a line each, with times in UTC."""
    handler = logging.StreamHandler()
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    ours = logging.getLogger("harvey_pipeline.service")
    ours.setLevel(logging.INFO)
    ours.propagate = False
    ours.addHandler(handler)
    theirs = logging.getLogger("uvicorn")
    theirs.setLevel(logging.INFO if is_debugging else logging.WARNING)
    theirs.propagate = False
    theirs.addHandler(handler)
