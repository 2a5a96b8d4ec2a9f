"""What models are asked about conversations, and what an answer has to be."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final

import polars as pl
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from harvey_pipeline.conversations.configured import ANALYZE_INTENT, CATALOGUE
from harvey_pipeline.conversations.sources import CONVERSATION_EVENTS
from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS
from harvey_pipeline.conversations.tables.labels import HIGHEST_SATISFACTION, LOWEST_SATISFACTION
from harvey_pipeline.conversations.transforms.intent_inputs import drops_of_rows, tell_inputs
from harvey_pipeline.conversations.transforms.intents import row_hash
from harvey_pipeline.conversations.transforms.reading import redacted
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.llm.asking import Progress, Question, Summary, ask_all
from harvey_pipeline.llm.cache import AnswerStore, answers_that_count
from harvey_pipeline.llm.canonical import canonical_json
from harvey_pipeline.llm.prompts import Prompts
from harvey_pipeline.llm.settings import LlmSettings
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Warehouse

COMMAND: Final = "analyze-intents"

_INPUT_CHARACTERS: Final = 6_000
_TEXT_CHARACTERS: Final = 200
_MOST_TEXTS: Final = 10
_ROWS_AT_A_TIME: Final = 2_000
"""Conversations whose texts are held at a time."""


def _redacted(text: str) -> str:
    """A text as it is kept: without addresses and numbers, and no longer than it may be."""
    kept: str = pl.select(redacted(pl.lit(text)).str.head(_TEXT_CHARACTERS)).item()
    return kept


_Text = Annotated[str, Field(min_length=1, max_length=_TEXT_CHARACTERS), AfterValidator(_redacted)]
_Texts = Annotated[list[_Text], Field(max_length=_MOST_TEXTS)]


class IntentAnswer(BaseModel):
    """What a model tells of a conversation; anything else is no answer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    primary_intent: _Text
    blockers: _Texts
    feature_requests: _Texts
    satisfaction_signal: Annotated[int, Field(ge=LOWEST_SATISFACTION, le=HIGHEST_SATISFACTION)]


def rows_to_analyze(
    warehouse: Warehouse, days: DayRange, models: Sequence[str], prompts: Prompts
) -> pl.DataFrame:
    """The rows of `conversations` without an answer that counts, each with its `row_hash`.

    The longest come first: those of most user messages, and of these by key.

    Raises:
        WarehouseError: The warehouse stayed locked.
    """
    known = answers_that_count(warehouse, models, prompts, days)
    return (
        warehouse.read(CONVERSATIONS, days)
        .with_columns(row_hash=row_hash())
        .join(known.lazy().select("row_hash"), on="row_hash", how="anti")
        .sort("user_messages", "conversation_key", descending=[True, False])
        .collect()
    )


def analyze(
    rows: pl.DataFrame,
    raw_store: RawStore,
    settings: LlmSettings,
    prompts: Prompts,
    store: AnswerStore,
    *,
    tell: Callable[[Progress], None],
) -> Summary:
    """Ask about some rows, as `rows_to_analyze` gives them, in their order.

    Rows of which a model would read nothing are left to the rules.

    Raises:
        SettingsError: There are not the means to ask.
        RawStoreError: Rows of the events have gone.
        WarehouseError: The warehouse stayed locked.
    """
    summary = Summary()
    for some in rows.iter_slices(_ROWS_AT_A_TIME):
        before = summary.done + summary.left

        def tell_of_all(progress: Progress, before: int = before) -> None:
            tell(Progress(before + progress.done, rows.height, progress.cost_usd))

        events = raw_store.read(CONVERSATION_EVENTS, drops_of_rows(some))
        inputs = tell_inputs(events, some, CATALOGUE)
        questions = list(_questions(some, inputs, prompts))
        summary += ask_all(questions, settings, store, tell=tell_of_all)
        if summary.stopped is not None:
            left = rows.height - summary.done - summary.left
            return replace(summary, left=summary.left + max(0, left))
    return summary


def _questions(rows: pl.DataFrame, inputs: pl.DataFrame, prompts: Prompts) -> Iterator[Question]:
    items: dict[str, list[Mapping[str, str]]] = {}
    for key, text, tool, error in inputs.iter_rows():
        item = {"role": "user", "text": text} if tool is None else {"tool": tool, "error": error}
        items.setdefault(key, []).append(item)
    for row in rows.iter_rows(named=True):
        if row["conversation_key"] in items:
            yield Question(
                purpose=ANALYZE_INTENT,
                day=row["date"],
                row_hash=row["row_hash"],
                user_id=row["user_id"],
                tenant_id="",
                prompt=prompts.of_user(row["user_id"]),
                payload=payload_of(items[row["conversation_key"]]),
                answer=IntentAnswer,
                agent=COMMAND,
            )


def payload_of(items: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
    """Events as a model gets them: as many as fit, from both ends towards the middle."""
    order = [
        place
        for step in range((len(items) + 1) // 2)
        for place in dict.fromkeys((step, len(items) - 1 - step))
    ]
    room = _INPUT_CHARACTERS - len(canonical_json({"events": []}))
    return {"events": [items[place] for place in sorted(_fitting(order, items, room))]}


def _fitting(order: Sequence[int], items: Sequence[Mapping[str, str]], room: int) -> Iterator[int]:
    """The places of the first items, in some order, for which there is room with commas between."""
    for place in order:
        room -= len(canonical_json(items[place]))
        if room < 0:
            return
        yield place
        room -= 1
