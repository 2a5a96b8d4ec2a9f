"""One call of a model, and what comes of it: an answer of its schema, or what went wrong.

Everything that a provider can do wrong is an outcome and no error. What is told of it holds nothing
that the provider says: its messages may repeat the key.
"""

import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from harvey_pipeline.llm.canonical import canonical_json
from harvey_pipeline.llm.settings import ANTHROPIC, KEY, Provider
from harvey_pipeline.llm.tables import FAILED, INVALID, OK, RATE_LIMITED, TIMEOUT
from harvey_pipeline.settings import SettingsError

TEMPERATURE: Final = 0.0
"""Asked for; the library leaves it out of calls of models that take none."""

_SERVER_ERROR: Final = 500
_TIMED_OUT: Final = 408
_NO_KEY: Final = "none"
"""What servers get that need no key: the libraries want one."""
_MOST_CHARACTERS: Final = 500


class MissingExtraError(SettingsError):
    """The libraries of providers are not installed."""


@dataclass(frozen=True)
class Asking:
    """What a model is to be asked.

    Args:
        told: What it is to do.
        given: What it is to do it with: data, whatever it says.
        answer: What an answer has to be.
        is_valid: A further fault of an answer, or None.
        timeout_seconds: How long it may take.
        max_tokens: How long the answer may be.
    """

    told: str
    given: str
    answer: type[BaseModel]
    is_valid: Callable[[Any, str], str | None]
    timeout_seconds: float
    max_tokens: int


@dataclass(frozen=True)
class Outcome:
    """What came of a call.

    Args:
        status: One of `tables.CALL_STATUSES`.
        output: The answer, canonical JSON, if it is valid.
        said: What was answered otherwise, as a JSON text.
        input_tokens: Tokens that it read.
        output_tokens: Tokens that it wrote.
        error: What went wrong, without any content.
        retry_after: Seconds that the provider asks to be left alone for.
        is_retryable: Whether the same call may succeed later.
        is_over: Whether no call of the provider can succeed: its key, say, is not accepted.
    """

    status: str
    output: str | None = None
    said: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    error: str | None = None
    retry_after: float | None = None
    is_retryable: bool = False
    is_over: bool = False


def require_extra() -> None:
    """Make sure that the libraries of providers are there.

    Raises:
        MissingExtraError: They are not; the message says how to install them.
    """
    try:
        import pydantic_ai.models.anthropic
        import pydantic_ai.models.openai  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "models are called by libraries that are not installed. Install them with "
            "`pip install -e '.[llm]'`."
        ) from error


def require_keys(providers: Sequence[Provider]) -> None:
    """Make sure that every provider has a key, or an address of its own that needs none.

    Raises:
        SettingsError: One has none.
    """
    for provider in providers:
        if provider.key is None and provider.url is None:
            raise SettingsError(
                f"{provider.variable_of_key} is not set, nor {KEY} for the first provider; "
                f"{provider.name} takes no call without a key."
            )


@asynccontextmanager
async def opened(providers: Sequence[Provider]) -> AsyncIterator[list[Any]]:
    """The providers' models, whose connections are closed afterwards."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_model(one)) for one in providers]


def _model(provider: Provider) -> Any:
    key = provider.key or _NO_KEY
    if provider.name == ANTHROPIC:
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        return AnthropicModel(
            provider.model, provider=AnthropicProvider(api_key=key, base_url=provider.url)
        )
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel(
        provider.model, provider=OpenAIProvider(api_key=key, base_url=provider.url)
    )


def schema_text(answer: type[BaseModel]) -> str:
    """An answer's schema as a model gets it."""
    return canonical_json(answer.model_json_schema())


async def call(model: Any, asking: Asking) -> Outcome:
    """Ask a model once."""
    from pydantic_ai import exceptions
    from pydantic_ai.direct import model_request
    from pydantic_ai.messages import ModelRequest, UserPromptPart
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.tools import ToolDefinition

    tool = ToolDefinition(
        name="answer",
        description="Takes the answer.",
        parameters_json_schema=asking.answer.model_json_schema(),
        kind="output",
    )
    try:
        response = await model_request(
            model,
            [ModelRequest(parts=[UserPromptPart(asking.given)], instructions=asking.told)],
            model_settings={
                "max_tokens": asking.max_tokens,
                "temperature": TEMPERATURE,
                "timeout": asking.timeout_seconds,
                # Of the whole call: the other one begins anew with every byte that arrives.
                "request_timeout": asking.timeout_seconds,
                # Every try is one of ours: it is counted, and asks the budget first.
                "max_retries": 0,
            },
            model_request_parameters=ModelRequestParameters(
                output_mode="tool", output_tools=[tool], allow_text_output=False
            ),
        )
    except exceptions.ModelQuotaExceededError as error:
        return Outcome(FAILED, error=_told(error), is_over=True)
    except exceptions.ModelRateLimitError as error:
        return Outcome(RATE_LIMITED, error=_told(error), retry_after=error.retry_after)
    except (exceptions.ModelTimeoutError, exceptions.ModelRequestTimeout) as error:
        return Outcome(TIMEOUT, error=_told(error), is_retryable=True)
    except exceptions.ModelConnectionError as error:
        return Outcome(FAILED, error=_told(error), is_retryable=True)
    except (exceptions.ModelAuthenticationError, exceptions.ModelNotFoundError) as error:
        return Outcome(FAILED, error=_told(error), is_over=True)
    except exceptions.ModelHTTPError as error:
        status = error.status_code
        is_retryable = status >= _SERVER_ERROR or status == _TIMED_OUT
        return Outcome(FAILED, error=_told(error), is_retryable=is_retryable)
    except Exception as error:
        # An answer that is no JSON, or not of the provider's own form.
        return Outcome(INVALID, error=_told(error))
    return _judged(response, asking)


@contextmanager
def without_advice() -> Iterator[None]:
    """Keep to ourselves which settings the library leaves out of some models' calls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _judged(response: Any, asking: Asking) -> Outcome:
    """Whether a response holds an answer, and what it says."""
    calls = response.tool_calls
    text = calls[0].args if len(calls) == 1 else response.text
    said = text if isinstance(text, str) else canonical_json(text) if text is not None else ""
    # Half a character, which JSON can name, is nothing that can be kept.
    said = said.encode("utf-8", "replace").decode()
    fault, output = None, None
    try:
        answer = asking.answer.model_validate_json(said)
        fault = asking.is_valid(answer, asking.given)
        output = canonical_json(answer.model_dump(mode="json"))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        fault = "; ".join(f"{_place(one)} {one['type']}" for one in faults)
    except (ValueError, ArithmeticError) as error:
        fault = type(error).__name__
    return Outcome(
        OK if fault is None else INVALID,
        output=output if fault is None else None,
        said=canonical_json(said),
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
        error=None if fault is None else fault[:_MOST_CHARACTERS],
    )


def _place(fault: Mapping[str, Any]) -> str:
    """Where an answer is at fault; a key that the schema does not have is the model's own word."""
    return "*" if fault["type"] == "extra_forbidden" else ".".join(map(str, fault["loc"]))


def _told(error: Exception) -> str:
    """An error without what the provider says."""
    status = getattr(error, "status_code", None)
    return type(error).__name__ if status is None else f"{type(error).__name__} {status}"
