"""The endpoints of the context: what is known of a user, of today, and of the service itself."""

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from fastapi.responses import PlainTextResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from harvey_pipeline.service.answers import (
    Found,
    as_json,
    context_of,
    days_since,
    wants_plain_text,
)
from harvey_pipeline.service.examples import CONTEXT, FAULT, HEALTH, PROFILE, TODAY
from harvey_pipeline.service.live_sums import KEPT_DAYS, LiveSums
from harvey_pipeline.service.profiles import PublishedProfiles

_UNSTORED: Final = {"Cache-Control": "no-store"}
_ASKS_FOR_TOKEN: Final = {"WWW-Authenticate": "Bearer"}

Responses = dict[int | str, dict[str, Any]]


def _faults(told: Mapping[int, str]) -> Responses:
    return {
        status: {"description": text, "content": {"application/json": {"example": FAULT}}}
        for status, text in told.items()
    }


TOO_MANY: Final = _faults({429: "Too many requests; `Retry-After` says when to ask again."})


def context_router(published: PublishedProfiles, live: LiveSums, token: str) -> APIRouter:
    """`/context/{user_id}` and `/today`, for those who show the token, and `/health` for all."""

    async def get_context(
        request: Request,
        user_id: Annotated[str, Path(description="The user's id.", examples=["ana"])],
    ) -> Response:
        profiles = published.current
        is_plain = wants_plain_text(request.headers.getlist("accept"))
        if is_plain and (profile := profiles.of(user_id)) is not None:
            return PlainTextResponse(profile["context_summary"], headers=_UNSTORED)
        days = days_since(profiles.day, _today(), KEPT_DAYS)
        found = context_of(user_id, profiles, await live.of_user(user_id, days))
        if is_plain and found.status == 200:
            return PlainTextResponse("", headers=_UNSTORED)
        return _answer(found)

    async def get_today() -> Response:
        day = _today()
        sums = await live.of_day(day)
        if sums is None:
            return _answer(Found(503, {"detail": "Redis does not answer: ask again."}))
        return _answer(Found(200, {"date": day, **sums}))

    async def get_health() -> Response:
        return _answer(
            Found(200, {"warehouse": published.current.day, "redis": await live.is_there()})
        )

    router = APIRouter()
    known_only = [Depends(_token_check(token))]
    router.add_api_route(
        "/context/{user_id:path}",
        get_context,
        methods=["GET"],
        tags=["context"],
        summary="What is known of a user",
        description=(
            "The user's profile of the last published day, `as_of`, and the sums of the days "
            "after it. `live_status` is `ok`, `empty` (no event since) or `unavailable` (Redis "
            "does not answer in time). With `Accept: text/plain` the profile's "
            "`context_summary` alone, for a prompt; empty for a user who has no profile yet. A "
            "`/` in the id may stay as it is; `%`, `?` and `#` are to be encoded."
        ),
        dependencies=known_only,
        response_class=Response,
        responses={
            200: {
                "description": "The context.",
                "content": {
                    "application/json": {"example": CONTEXT},
                    "text/plain": {"example": PROFILE["context_summary"]},
                },
            },
            **TOO_MANY,
            **_faults(
                {
                    401: "No token, or a wrong one.",
                    404: "Nobody is known by that id.",
                    503: "There is no profile, and Redis does not answer or nothing is published.",
                }
            ),
        },
    )
    router.add_api_route(
        "/today",
        get_today,
        methods=["GET"],
        tags=["context"],
        summary="Sums of today",
        description="The sums over all users of today's events, by UTC, as they come in.",
        dependencies=known_only,
        response_class=Response,
        responses={
            200: {"description": "The sums.", "content": {"application/json": {"example": TODAY}}},
            **TOO_MANY,
            **_faults(
                {
                    401: "No token, or a wrong one.",
                    503: "Redis does not answer.",
                }
            ),
        },
    )
    router.add_api_route(
        "/health",
        get_health,
        methods=["GET"],
        tags=["service"],
        summary="What the service can reach",
        description=(
            "The day of the profiles that are served, null without any, and whether Redis answers. "
            "Needs no token."
        ),
        response_class=Response,
        responses={
            200: {
                "description": "The service is there.",
                "content": {"application/json": {"example": HEALTH}},
            }
        },
    )
    return router


def _token_check(token: str) -> Callable[..., Awaitable[None]]:
    bearer = HTTPBearer(
        auto_error=False, description="The value of HARVEY_CONTEXT_TOKEN.", scheme_name="context"
    )
    wanted = sha256(token.encode()).digest()

    async def check_token(
        shown: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> None:
        # Digests are of one length, so that the time it takes tells nothing of the token's.
        given = sha256((shown.credentials if shown else "").encode()).digest()
        if not hmac.compare_digest(given, wanted):
            raise HTTPException(
                401, "Show the token as `Authorization: Bearer TOKEN`.", _ASKS_FOR_TOKEN
            )

    return check_token


def _answer(found: Found) -> Response:
    body = json.dumps(found.body, default=as_json, ensure_ascii=False, separators=(",", ":"))
    return Response(body.encode(), found.status, _UNSTORED, "application/json")


def _today() -> date:
    return datetime.now(UTC).date()
