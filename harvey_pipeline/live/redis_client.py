"""How Redis is reached, and what is made of its errors."""

from typing import Any, Final

from harvey_pipeline.live.settings import REDIS_URL, LiveSettings

_ANSWERS_WITHIN_SECONDS: Final = 5.0


class MissingExtraError(Exception):
    """What the live part needs is not installed; the message says how to."""


class RefusedError(Exception):
    """Redis answers, and will not do what is asked; the message says what to do."""


def connect(settings: LiveSettings, answers_within: float = _ANSWERS_WITHIN_SECONDS) -> Any:
    """A client of redis-py; it connects when it is first used, and tries nothing twice.

    Args:
        settings: Where Redis is.
        answers_within: Seconds after which an answer counts as none.

    Raises:
        MissingExtraError: redis-py is not installed.
    """
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise MissingExtraError(
            f"redis-py is needed, which cannot be imported ({error}). Install it: "
            "pip install -e '.[live]'"
        ) from error
    return redis.Redis.from_url(
        settings.redis_url,
        protocol=2,
        socket_timeout=answers_within,
        socket_connect_timeout=answers_within,
        retry=Retry(NoBackoff(), 0),
    )


def refusal(error: Exception, settings: LiveSettings) -> RefusedError | None:
    """What to say of an error of redis-py that no waiting mends; None of one that it may."""
    from redis import exceptions

    lasting = (
        exceptions.AuthenticationError,
        exceptions.AuthorizationError,
        exceptions.NoPermissionError,
    )
    text = str(error)
    if not isinstance(error, lasting) and not text.startswith(("WRONGTYPE", "ERR unknown command")):
        return None
    return RefusedError(
        f"Redis at {settings.shown_address} refuses: {text.rstrip('.')}. Look at user, password "
        f"and what they may do in {REDIS_URL}, and at what stands in Redis under the names that "
        "begin with `harvey:`."
    )


def what_is_wrong(error: Exception) -> str:
    """What an error of redis-py says, as the end of a sentence about the server."""
    from redis.exceptions import ResponseError

    text = (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__
    if isinstance(error, ResponseError):
        # Such as that it is a replica, has no memory left, or has lost the group or the script.
        return f"says: {text}"
    return f"does not answer ({text})"


def is_of_redis(error: Exception) -> bool:
    """Whether an error is one of redis-py."""
    return any(kind.__module__.partition(".")[0] == "redis" for kind in type(error).__mro__)
