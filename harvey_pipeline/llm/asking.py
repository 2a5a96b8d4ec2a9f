"""Asking: questions go to the first provider that answers, and what comes back is kept at once.

Time-outs and a provider's faults are tried again, then the next provider is asked; a provider that
has too much to do is left alone for as long as it says, and the question waits at the end. An
answer that is not valid is asked for once more. What remains without an answer is left to the
rules.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from pydantic import BaseModel

from harvey_pipeline.llm.cache import AnswerStore
from harvey_pipeline.llm.canonical import canonical_json, input_hash
from harvey_pipeline.llm.prompts import Prompt
from harvey_pipeline.llm.settings import LlmSettings

TIMEOUT_SECONDS: Final = 30.0
MAX_TOKENS: Final = 2_000


def anything_goes(_answer: BaseModel, _text: str) -> None:
    """No fault of an answer beyond its schema."""


@dataclass(frozen=True)
class Question:
    """One row to be asked about.

    `payload` is what the model gets, as canonical JSON; nothing else of the row is sent.
    """

    purpose: str
    day: date
    row_hash: str
    user_id: str
    tenant_id: str
    prompt: Prompt
    payload: Mapping[str, Any]
    answer: type[BaseModel]
    """What an answer has to be; anything else is invalid."""
    is_valid: Callable[[Any, str], str | None] = anything_goes
    """A further fault of an answer, told without its content, given the input's text; or None."""
    timeout_seconds: float = TIMEOUT_SECONDS
    max_tokens: int = MAX_TOKENS
    agent: str = "harvey"
    """The command that asks."""
    hashed_purpose: str | None = None
    """The purpose, where it is part of the hash of the input."""

    @property
    def text(self) -> str:
        """What the model gets."""
        return canonical_json(self.payload)

    def input_hash(self, model: str) -> str:
        """By which an input is known again that a model was asked about."""
        return input_hash(self.prompt.version, model, self.payload, purpose=self.hashed_purpose)


@dataclass(frozen=True)
class Progress:
    """How far it is: of `total` questions so many are `done`, and what calls cost so far, USD."""

    done: int
    total: int
    cost_usd: float


@dataclass(frozen=True)
class Summary:
    """What came of some questions.

    `answered` were told by a model now, `cached` by it before, of the same row or the same input;
    `invalid` and `failed` are left to the rules; `left` were not asked, for `stopped` says why.
    `spent_usd` is what the calendar month has cost by now, `level` of the budget.
    """

    answered: int = 0
    cached: int = 0
    invalid: int = 0
    failed: int = 0
    left: int = 0
    calls: int = 0
    cost_usd: float = 0.0
    spent_usd: float = 0.0
    level: str = "ok"
    stopped: str | None = None

    def __add__(self, later: "Summary") -> "Summary":
        """This one's counts and a later one's together, and what the later one says of money."""
        return Summary(
            self.answered + later.answered,
            self.cached + later.cached,
            self.invalid + later.invalid,
            self.failed + later.failed,
            self.left + later.left,
            self.calls + later.calls,
            self.cost_usd + later.cost_usd,
            later.spent_usd,
            later.level,
            later.stopped,
        )


def ask_all(
    questions: Sequence[Question],
    settings: LlmSettings,
    store: AnswerStore,
    *,
    tell: Callable[[Progress], None],
) -> Summary:
    """Ask about all rows that have no answer yet; every answer is kept as soon as it is there.

    Raises:
        SettingsError: No provider is configured, one has no key or price, there is no budget, or
            calls are stopped by the environment.
        WarehouseError: The warehouse stayed locked.
    """
    raise NotImplementedError
