"""`harvey stream`: events from Redis into the landing folder, and what is known of right now."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from harvey_pipeline.cli.app import (
    FAILED,
    OK,
    Debug,
    FailedError,
    LandingDir,
    StartDate,
    UnusableError,
    WarehouseFile,
)
from harvey_pipeline.cli.show import listing_output, plural, say

if TYPE_CHECKING:
    from harvey_pipeline.live.streaming import Streaming

_CLAIM_AFTER: Final = 60.0


def stream_events(
    verify: Annotated[
        str | None,
        typer.Option(
            "--verify",
            metavar="DAY",
            help="Compare what was counted on a day with its file instead; as YYYY-MM-DD.",
        ),
    ] = None,
    is_rebuilt: Annotated[
        bool,
        typer.Option("--rebuild", help="Make the sums in Redis anew from the files instead."),
    ] = False,
    claim_after: Annotated[
        float,
        typer.Option(
            "--claim-after",
            metavar="SECONDS",
            min=0.1,
            help="Take over what another consumer has not acknowledged for so long.",
        ),
    ] = _CLAIM_AFTER,
    landing_dir: LandingDir = None,
    warehouse: WarehouseFile = None,
    start_date: StartDate = None,
    debug: Debug = False,
) -> int:
    """Append events of the Redis stream `conversation_events` to the landing folder as they come.

    What is known of users right now is kept in Redis. Ctrl-C or SIGTERM ends it in good order.
    HARVEY_REDIS_URL says where Redis is; else it is redis://localhost:6379/0.
    """
    if verify is not None and is_rebuilt:
        raise UnusableError("--verify and --rebuild exclude each other; give one of them.")
    day = None if verify is None else _read_day(verify)
    console = listing_output()
    with _errors_told():
        if day is not None:
            return _verify(console, day)
        streaming = _prepare(console, claim_after)
        if is_rebuilt:
            return _rebuild(console, streaming)
        return _stream(console, streaming)


def _stream(console: Console, streaming: "Streaming") -> int:
    from harvey_pipeline.live.consumer import consume

    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for sent in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sent, end)
    told = consume(streaming, stop)
    say(
        console,
        f"Stopped: {plural(told.appended, 'line')} appended, "
        f"{plural(told.duplicates, 'duplicate')}.",
    )
    return OK


def _rebuild(console: Console, streaming: "Streaming") -> int:
    from harvey_pipeline.live.catching_up import rebuild

    say(console, f"The sums are made anew from {plural(rebuild(streaming), 'line')}.")
    return OK


def _verify(console: Console, day: date) -> int:
    from harvey_pipeline.live.redis_client import connect
    from harvey_pipeline.live.settings import read_live_settings
    from harvey_pipeline.live.verifying import verify_day
    from harvey_pipeline.settings import read_settings

    found = verify_day(connect(read_live_settings()), read_settings().landing_dir, day)
    say(console, found.told)
    for fault in found.faults:
        say(console, f"  {fault}")
    return FAILED if found.faults else OK


def _prepare(console: Console, claim_after: float) -> "Streaming":
    from harvey_pipeline.conversations.configured import CATALOGUE
    from harvey_pipeline.live.landing_folder import local_landing
    from harvey_pipeline.live.rules import rules_of_days, tombstones_of
    from harvey_pipeline.live.settings import read_live_settings
    from harvey_pipeline.live.streaming import Streaming
    from harvey_pipeline.settings import read_settings

    settings = read_settings()
    landing = local_landing(settings.landing_dir)

    def tell(text: str) -> None:
        say(console, text)
        console.file.flush()

    return Streaming(
        landing,
        read_live_settings(),
        CATALOGUE,
        rules_of_days(landing, settings),
        tombstones_of(settings.warehouse),
        claim_after,
        tell,
    )


@contextmanager
def _errors_told() -> Iterator[None]:
    from harvey_pipeline.landing.erased import TombstoneError
    from harvey_pipeline.landing.records.contract import LandingError
    from harvey_pipeline.live.landing_folder import StreamError
    from harvey_pipeline.live.redis_client import (
        MissingExtraError,
        RefusedError,
        is_of_redis,
        refusal,
        what_is_wrong,
    )
    from harvey_pipeline.live.settings import read_live_settings

    try:
        yield
    except (
        LandingError,
        StreamError,
        MissingExtraError,
        RefusedError,
        TombstoneError,
    ) as error:
        raise UnusableError(str(error)) from error
    except Exception as error:
        if not is_of_redis(error):
            raise
        live = read_live_settings()
        if (refused := refusal(error, live)) is not None:
            raise UnusableError(str(refused)) from error
        raise FailedError(
            f"Redis at {live.shown_address} {what_is_wrong(error)}. Start it, or set "
            "HARVEY_REDIS_URL to where it is."
        ) from error


def _read_day(text: str) -> date:
    with suppress(ValueError):
        return date.fromisoformat(text)
    raise UnusableError(f"--verify {text} cannot be read; give a day as YYYY-MM-DD.")
