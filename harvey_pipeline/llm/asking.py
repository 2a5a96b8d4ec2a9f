"""Asking: questions go to the first provider that answers, and what comes back is kept at once.

Time-outs and a provider's faults are tried again, then the next provider is asked; a provider that
has too much to do is left alone for as long as it says, and the question waits at the end. An
answer that is not valid is asked for once more. What remains without an answer is left to the
rules.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from pydantic import BaseModel

from harvey_pipeline.llm.budget import Budget
from harvey_pipeline.llm.cache import AnswerStore, Row
from harvey_pipeline.llm.canonical import canonical_json, input_hash
from harvey_pipeline.llm.prices import expected_tokens, price_of
from harvey_pipeline.llm.prompts import Prompt
from harvey_pipeline.llm.providers import (
    TEMPERATURE,
    Asking,
    Outcome,
    call,
    opened,
    require_extra,
    require_keys,
    schema_text,
    without_advice,
)
from harvey_pipeline.llm.settings import (
    BUDGET,
    MODEL,
    STOP,
    LlmSettings,
    Price,
    Provider,
    stop_file,
)
from harvey_pipeline.llm.tables import CACHED, FAILED, INVALID, OK, RATE_LIMITED
from harvey_pipeline.pseudonyms import user_hash
from harvey_pipeline.settings import SettingsError

TIMEOUT_SECONDS: Final = 30.0
MAX_TOKENS: Final = 2_000

_TRIES: Final = 3
"""Calls of one provider where it is too slow or fails."""
_MOST_PUT_BACK: Final = 3
"""How often a question waits at the end for a provider that has too much to do."""
_MOST_INVALID: Final = 1
"""Answers that are not valid and are asked for again."""
_MOST_FAILURES: Final = 5
"""Questions in a row that a provider fails before it is asked no more."""
_MOST_SECONDS: Final = 120.0
"""How long a provider is waited for."""

_COUNTED: Final = ("answered", "cached", "invalid", "failed")


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

    @property
    def done(self) -> int:
        """Questions of which something has come."""
        return self.answered + self.cached + self.invalid + self.failed

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
        SettingsError: No provider is configured, one has no key or price, there is no budget, calls
            are stopped, or the libraries are not installed.
        WarehouseError: The warehouse stayed locked.
    """
    prices = require_means(settings, store.warehouse.path)
    today = _now().date()
    budget = Budget(settings.budget_usd, store.spent_usd(today))
    run = _Run(settings, store, budget, tell, len(questions))
    run.queue.extend(_unanswered(questions, settings.models, store, run))
    try:
        with without_advice():
            asyncio.run(run.all(prices))
    finally:
        run.save_rest()
        store.write_costs()
    return run.summary


def require_means(settings: LlmSettings, warehouse: Path) -> Sequence[Price]:
    """Make sure that there is all that it takes to ask; return the providers' prices.

    Raises:
        SettingsError: No provider is configured, one has no key or price, there is no budget, calls
            are stopped, or the libraries are not installed.
    """
    if not settings.providers:
        raise SettingsError(f"{MODEL} is not set: no model is asked until it names one.")
    if settings.budget_usd <= 0:
        raise SettingsError(
            f"{BUDGET} is 0: no model is asked until it says what a calendar month may cost, USD."
        )
    if why := _stopped_by(settings, warehouse):
        raise SettingsError(f"calls of models are stopped by {why}. Remove it to ask again.")
    require_keys(settings.providers)
    require_extra()
    return [price_of(provider) for provider in settings.providers]


def _stopped_by(settings: LlmSettings, warehouse: Path) -> str | None:
    """What forbids another call; None where nothing does."""
    if settings.is_stopped:
        return STOP
    file = stop_file(warehouse)
    return str(file) if file.exists() else None


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


# --- what is known already -----------------------------------------------------------------------


@dataclass
class _Waiting:
    """Questions with the same input, of which the first is asked, and how far that has come."""

    alike: list[Question]
    provider: int = 0
    put_back: int = 0


def _unanswered(
    questions: Sequence[Question], models: Sequence[str], store: AnswerStore, run: "_Run"
) -> list[_Waiting]:
    """The questions that have to be asked; answers of the same input are taken where known."""
    waiting: dict[tuple[str, str, str], _Waiting] = {}
    for purpose in dict.fromkeys(one.purpose for one in questions):
        own = [one for one in questions if one.purpose == purpose]
        known = store.known(purpose, {one.row_hash for one in own}, models)
        left = [one for one in own if (one.row_hash, one.prompt.version) not in known]
        run.count("cached", len(own) - len(left))
        hashes = {one.input_hash(model) for one in left for model in models}
        outputs = store.with_inputs(purpose, hashes, models)
        taken = []
        for one in left:
            model = next((name for name in models if one.input_hash(name) in outputs), None)
            if model is not None:
                taken.append((one, model, outputs[one.input_hash(model)]))
                continue
            key = (purpose, one.prompt.version, one.text)
            waiting.setdefault(key, _Waiting([])).alike.append(one)
        run.take(taken)
    return list(waiting.values())


# --- asking --------------------------------------------------------------------------------------


@dataclass
class _Line:
    """A provider while it is asked."""

    provider: Provider
    model: Any
    price: Price
    resumes_at: float = 0.0
    """When it may be called again, by the monotonic clock."""
    failures: int = 0
    """Questions in a row that it has failed."""
    is_over: bool = False

    @property
    def seconds_to_wait(self) -> float:
        return max(0.0, self.resumes_at - time.monotonic())


class _Run:
    """Questions on their way, a few at a time, and what has come of the others."""

    def __init__(
        self,
        settings: LlmSettings,
        store: AnswerStore,
        budget: Budget,
        tell: Callable[[Progress], None],
        total: int,
    ) -> None:
        self.settings = settings
        self.store = store
        self.budget = budget
        self.tell = tell
        self.total = total
        self.queue: deque[_Waiting] = deque()
        self.lines: list[_Line] = []
        self.counts: Counter[str] = Counter()
        self.calls = 0
        self.cost_usd = 0.0
        self.stopped: str | None = None
        self.unsaved: tuple[list[Row], list[Row]] = ([], [])
        self.saving = asyncio.Lock()

    @property
    def summary(self) -> Summary:
        left = self.total - sum(self.counts.values())
        return Summary(
            **{name: self.counts[name] for name in _COUNTED},
            left=left,
            calls=self.calls,
            cost_usd=self.cost_usd,
            spent_usd=self.budget.spent_usd,
            level=self.budget.level,
            stopped=self.stopped if left else None,
        )

    def count(self, what: str, number: int) -> None:
        """Note what came of some questions."""
        self.counts[what] += number
        if number:
            self.tell(Progress(sum(self.counts.values()), self.total, self.cost_usd))

    def take(self, taken: Sequence[tuple[Question, str, str]]) -> None:
        """Keep the answers of some questions that a model gave to the same input before."""
        kept, traces = [], []
        for question, model, output in taken:
            name = next(one.name for one in self.settings.providers if one.model == model)
            outcome = Outcome(CACHED, output=output)
            traces.append(self._trace(question, name, model, outcome, uuid4().hex, _now(), 0.0, 0))
            kept.append(_kept(question, model, outcome, traces[-1]))
        if kept:
            self.store.save(kept, traces)
        self.count("cached", len(kept))

    async def all(self, prices: Sequence[Price]) -> None:
        """Ask until nothing is left, or no call may begin any more."""
        async with opened(self.settings.providers) as models:
            self.lines = [
                _Line(*one) for one in zip(self.settings.providers, models, prices, strict=True)
            ]
            await asyncio.gather(*(self._work() for _ in range(self.settings.parallel)))

    async def _work(self) -> None:
        while self.queue and self.stopped is None:
            await self._ask(self.queue.popleft())

    async def _ask(self, waiting: _Waiting) -> None:
        """Ask the providers one after the other until one answers, or the question waits."""
        trace = uuid4().hex
        is_asked, is_invalid = False, False
        while (line := self._line_for(waiting)) is not None:
            is_asked = True
            outcome = await self._ask_line(line, waiting, trace)
            if outcome is None:
                return
            if outcome.status == OK:
                line.failures = 0
                await self._finish(waiting, line, outcome)
                return
            if outcome.status == INVALID:
                is_invalid = True
                break
            if outcome.status == RATE_LIMITED and waiting.put_back < _MOST_PUT_BACK:
                waiting.put_back += 1
                self.queue.append(waiting)
                return
            line.failures += 1
            line.is_over |= outcome.is_over or line.failures >= _MOST_FAILURES
            waiting.provider += 1
            waiting.put_back = 0
        if not is_invalid and self._line_for(_Waiting([])) is None:
            self.stopped = self.stopped or "no provider takes calls"
        if not is_asked:
            return
        self.count("invalid" if is_invalid else "failed", len(waiting.alike))

    def _line_for(self, waiting: _Waiting) -> _Line | None:
        """The next provider that a question can be put to without waiting for long."""
        while waiting.provider < len(self.lines):
            line = self.lines[waiting.provider]
            if not line.is_over and line.seconds_to_wait <= _MOST_SECONDS:
                return line
            waiting.provider += 1
        return None

    async def _ask_line(self, line: _Line, waiting: _Waiting, trace: str) -> Outcome | None:
        """Ask one provider, again where that may help; None where no call may begin."""
        tries, invalid = 0, 0
        while True:
            if line.seconds_to_wait > _MOST_SECONDS:
                # Another question has heard so meanwhile.
                return Outcome(RATE_LIMITED)
            await asyncio.sleep(line.seconds_to_wait)
            outcome = await self._call(line, waiting.alike[0], trace)
            if outcome is None or outcome.status == OK:
                return outcome
            if outcome.status == INVALID:
                invalid += 1
                if invalid > _MOST_INVALID:
                    return outcome
                continue
            if outcome.status == RATE_LIMITED:
                pause = self._pause(waiting.put_back)
                seconds = pause if outcome.retry_after is None else outcome.retry_after
                line.resumes_at = max(line.resumes_at, time.monotonic() + seconds)
                return outcome
            tries += 1
            if not outcome.is_retryable or tries >= _TRIES:
                return outcome
            await asyncio.sleep(self._pause(tries - 1))

    def _pause(self, before: int) -> float:
        """Seconds until the next try, after so many pauses before; each twice as long."""
        return float(self.settings.backoff_seconds * 2**before)

    async def _call(self, line: _Line, question: Question, trace: str) -> Outcome | None:
        """Call a model, if a call may begin, and keep what comes of it."""
        asking = Asking(
            question.prompt.text,
            question.text,
            question.answer,
            question.is_valid,
            question.timeout_seconds,
            question.max_tokens,
        )
        read = expected_tokens(asking.told, asking.given, schema_text(question.answer))
        expected = line.price.cost(read, question.max_tokens)
        self.stopped = self.stopped or _stopped_by(self.settings, self.store.warehouse.path)
        if self.stopped is None and not self.budget.allows(expected):
            self.stopped = f"the budget of {self.budget.budget_usd:g} USD a month ({BUDGET})"
        if self.stopped is not None:
            return None
        self.budget.expected_usd += expected
        called_at, started = _now(), time.monotonic()
        try:
            outcome = await call(line.model, asking)
        finally:
            self.budget.expected_usd -= expected
        latency = round(1_000 * (time.monotonic() - started))
        cost = line.price.cost(outcome.input_tokens, outcome.output_tokens)
        self.calls += 1
        self.cost_usd += cost
        self.budget.spent_usd += cost
        provider = line.provider
        row = self._trace(
            question, provider.name, provider.model, outcome, trace, called_at, cost, latency
        )
        await self._save([_kept(question, provider.model, outcome, row)], [row])
        return outcome

    async def _finish(self, waiting: _Waiting, line: _Line, outcome: Outcome) -> None:
        """Give the answer of one question to those with the same input."""
        model = line.provider.model
        known = Outcome(CACHED, output=outcome.output)
        kept, traces = [], []
        for question in waiting.alike[1:]:
            traces.append(
                self._trace(question, line.provider.name, model, known, uuid4().hex, _now(), 0.0, 0)
            )
            kept.append(_kept(question, model, known, traces[-1]))
        if kept:
            await self._save(kept, traces)
        self.count("answered", 1)
        self.count("cached", len(kept))

    async def _save(self, kept: Sequence[Row], traces: Sequence[Row]) -> None:
        """Keep rows, together with those that came while the warehouse was written."""
        self.unsaved[0].extend(kept)
        self.unsaved[1].extend(traces)
        async with self.saving:
            if self.unsaved[1]:
                now, self.unsaved = self.unsaved, ([], [])
                try:
                    await asyncio.to_thread(self.store.save, *now)
                except Exception:
                    self.unsaved = (now[0] + self.unsaved[0], now[1] + self.unsaved[1])
                    raise

    def save_rest(self) -> None:
        """Keep what was paid for and is not kept yet, for asking was broken off.

        Raises:
            WarehouseError: The warehouse stayed locked.
        """
        if self.unsaved[1]:
            self.store.save(*self.unsaved)

    def _trace(
        self,
        question: Question,
        provider: str,
        model: str,
        outcome: Outcome,
        trace: str,
        called_at: datetime,
        cost_usd: float,
        latency_ms: int,
    ) -> Row:
        return {
            "call_id": uuid4().hex,
            "trace_id": trace,
            "date": called_at.date(),
            "called_at": called_at,
            "agent": question.agent,
            "user_hash": user_hash(self.store.secret, question.tenant_id, question.user_id),
            "tenant_id": question.tenant_id,
            "model": model,
            "provider": provider,
            "purpose": question.purpose,
            "prompt_version": question.prompt.version,
            "row_hash": question.row_hash,
            "temperature": TEMPERATURE,
            "max_tokens": question.max_tokens,
            "prompt_tokens": outcome.input_tokens,
            "completion_tokens": outcome.output_tokens,
            "cost_usd": cost_usd,
            "latency_ms": latency_ms,
            "status": outcome.status,
            "input_hash": question.input_hash(model),
            "input_context": question.text,
            "output": outcome.output or outcome.said,
            "error": outcome.error,
        }


def _kept(question: Question, model: str, outcome: Outcome, trace: Row) -> Row:
    """The row of the cache that a call makes."""
    is_ok = outcome.output is not None
    return {
        "purpose": question.purpose,
        "row_hash": question.row_hash,
        "model": model,
        "prompt_version": question.prompt.version,
        "date": question.day,
        "user_id": question.user_id,
        "input_hash": trace["input_hash"],
        "output": outcome.output,
        "status": OK if is_ok else INVALID if outcome.status == INVALID else FAILED,
        "input_tokens": outcome.input_tokens,
        "output_tokens": outcome.output_tokens,
        "cost_usd": trace["cost_usd"],
        "latency_ms": trace["latency_ms"],
        "called_at": trace["called_at"],
    }
