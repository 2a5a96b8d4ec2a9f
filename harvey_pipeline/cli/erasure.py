"""Erasures as the command line begins and finishes them."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from harvey_pipeline.cli.app import FailedError, UnusableError
from harvey_pipeline.cli.home import find_dagster_home
from harvey_pipeline.cli.plan import waits_told
from harvey_pipeline.cli.show import plural, say

if TYPE_CHECKING:
    from harvey_pipeline.privacy.forgetting import Places, Tell
    from harvey_pipeline.privacy.request import Request
    from harvey_pipeline.settings import Settings


def finish_erasure(settings: "Settings", console: Console) -> bool:
    """Finish an erasure that was interrupted; False if there is none.

    Raises:
        FailedError: It cannot be finished now.
    """
    from harvey_pipeline.privacy.request import request_path

    if not request_path(settings.warehouse).exists():
        return False
    from harvey_pipeline.privacy.forgetting import pending_request

    with opened_places(settings) as places, errors_told():
        request = pending_request(settings.warehouse)
        if request is None:
            return False
        count = plural(len(request.user_ids), "person").replace("persons", "people")
        say(console, f"Finishing the erasure of {count} that was interrupted")
        erase(places, request, console)
    return True


def erase(places: "Places", request: "Request", console: Console) -> None:
    """Carry out an erasure, and say what is being done."""
    from harvey_pipeline.privacy.forgetting import carry_out

    done = carry_out(places, request, teller(console))
    count = sum(done.counts.values())
    say(console, Text(f"Erased: {count:,} rows, records and files", style="bold green"))
    for path in places.written.left(done.traces):
        say(console, Text(f"Still tells of them, and is not ours: {path}", style="yellow"))


@contextmanager
def opened_places(settings: "Settings") -> Iterator["Places"]:
    """All places in which people may stand, with what has to be closed afterwards."""
    from harvey_pipeline.definitions import (
        ALL_SUBJECTS,
        CALENDAR,
        build_resources,
        sources_of,
        tables_of,
        views_of,
    )
    from harvey_pipeline.privacy.forgetting import Places
    from harvey_pipeline.settings import SettingsError, read_hash_secret

    try:
        secret = read_hash_secret()
    except SettingsError:
        secret = None
    warehouse, raw_store = build_resources(settings, CALENDAR)
    home = find_dagster_home(settings)
    redis = _redis()
    try:
        with waits_told():
            yield Places(
                warehouse,
                raw_store,
                sources_of(ALL_SUBJECTS),
                tables_of(ALL_SUBJECTS),
                views_of(ALL_SUBJECTS),
                home if home.is_dir() else None,
                redis,
                secret,
            )
    finally:
        if redis is not None:
            redis.close()


def _redis() -> Any:
    """A client of Redis where its address is set; else nothing is live."""
    from harvey_pipeline.live.settings import REDIS_URL, read_live_settings

    if not os.environ.get(REDIS_URL):
        return None
    try:
        from redis import Redis
    except ImportError:
        raise UnusableError(
            f"{REDIS_URL} is set, and what reads Redis is not installed. Install it with "
            "pip install -e '.[live]', or unset it where nothing is live."
        ) from None
    return Redis.from_url(read_live_settings().redis_url)


@contextmanager
def errors_told() -> Iterator[None]:
    """What keeps people from being erased, as an error of a command."""
    from harvey_pipeline.landing.erased import TombstoneError
    from harvey_pipeline.landing.records import LandingError
    from harvey_pipeline.privacy.forgetting import ErasureError
    from harvey_pipeline.privacy.request import RequestError
    from harvey_pipeline.warehouse.warehouse import WarehouseError

    try:
        yield
    except (LandingError, RequestError, TombstoneError) as error:
        raise UnusableError(str(error)) from error
    except (ErasureError, WarehouseError) as error:
        raise FailedError(str(error)) from error
    except sqlite3.OperationalError as error:
        raise FailedError(
            f"Dagster's folder cannot be cleaned: {error}. Stop `harvey ui`, then run "
            "`harvey forget` to finish."
        ) from error


def teller(console: Console) -> "Tell":
    """What shows the steps of an erasure."""

    def tell(step: str) -> None:
        say(console, Text(f"  {step}", style="dim"))

    return tell
