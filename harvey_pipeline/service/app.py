"""The application: its endpoints, and what goes on beside them for as long as it runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI

from harvey_pipeline.service.attending import Application, attend
from harvey_pipeline.service.context import TOO_MANY, context_router
from harvey_pipeline.service.live_sums import live_sums
from harvey_pipeline.service.profiles import PublishedProfiles
from harvey_pipeline.service.rate_limit import TurnBuckets
from harvey_pipeline.service.roles import router
from harvey_pipeline.service.settings import ServiceSettings
from harvey_pipeline.warehouse.warehouse import published_path

_LOOK_SECONDS: Final = 1.0
"""Between two looks whether another copy was published."""


def build_service(warehouse: Path, redis_url: str, settings: ServiceSettings) -> Application:
    """All that is served of the copy published beside a warehouse, and of a Redis.

    It is an ASGI application. Starting it reads the profiles; neither the copy nor Redis has to
    be there.
    """
    return attend(
        build_app(warehouse, redis_url, settings), TurnBuckets(settings.requests_per_second)
    )


def build_app(warehouse: Path, redis_url: str, settings: ServiceSettings) -> FastAPI:
    """The endpoints, without what stands around every request."""
    published = PublishedProfiles(published_path(warehouse))
    live = live_sums(redis_url)

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        await asyncio.to_thread(published.refresh)
        looking = asyncio.create_task(_look_for_newer(published))
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
            await live.close()

    app = FastAPI(
        title="Harvey",
        summary="What is known of a user, for the product's agents; figures for roles.",
        lifespan=lifespan,
        # A page that is answered to everybody would make any token look like one that counts.
        swagger_ui_oauth2_redirect_url=None,
    )
    app.include_router(context_router(published, live, settings.context_token))
    app.include_router(router(warehouse), responses=TOO_MANY)
    return app


async def _look_for_newer(published: PublishedProfiles) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        await asyncio.to_thread(published.refresh)
