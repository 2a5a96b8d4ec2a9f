"""The layer's tables: answers, one row per call, and what a day's calls cost."""

from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Keep, Table

OK: Final = "ok"
INVALID: Final = "invalid"
FAILED: Final = "failed"
TIMEOUT: Final = "timeout"
RATE_LIMITED: Final = "rate_limited"
CACHED: Final = "cached"

ANSWER_STATUSES: Final = (OK, INVALID, FAILED)
CALL_STATUSES: Final = (OK, INVALID, TIMEOUT, RATE_LIMITED, FAILED, CACHED)


class LlmCache(dy.Schema):
    """One row per (`purpose`, `row_hash`, `model`, `prompt_version`): what a model told of a row.

    Only answers that are `ok` are ever used; the others are there for the account.
    """

    purpose = c.text("What was asked.", key=True)
    row_hash = c.text("Hash of the row that it is about, as the row was.", key=True)
    model = c.text("Model that was asked.", key=True)
    prompt_version = c.text("Version of the prompt.", key=True)
    date = c.day("Day of the row.")
    user_id = c.text("User whose row it is.")
    input_hash = c.text("SHA-256 (hex) of prompt version, model and input.")
    output = c.text("The answer, canonical JSON; null unless it is valid.", nullable=True)
    status = c.label("What came of the last call.", ANSWER_STATUSES)
    input_tokens = c.count("Tokens that the calls read.")
    output_tokens = c.count("Tokens that the calls wrote.")
    cost_usd = dy.Float64(min=0.0, nullable=False, description="What the calls cost, USD.")
    latency_ms = c.count("Time that the last call took, milliseconds.")
    called_at = c.moment("When the last call ended, UTC.")

    @dy.rule()
    def output_where_ok(cls) -> pl.Expr:
        """There is an output exactly where the answer is `ok`."""
        return pl.col("output").is_not_null() == (pl.col("status").cast(pl.String) == OK)


class LlmTraces(dy.Schema):
    """One row per call of a model, and per answer that was known already. Never shown.

    Input and output hold people's words; both are null where they were erased.
    """

    call_id = c.text("The call.", key=True)
    trace_id = c.text("The question: its tries have it in common.")
    date = c.day("Day of the call, UTC.")
    called_at = c.moment("When the call began, UTC.")
    agent = c.text("Command that asked.")
    user_hash = c.text("Pseudonym of the user whose row it is about.", nullable=True)
    tenant_id = c.text("Tenant of the user; empty where there is none.")
    model = c.text("Model that was asked.")
    provider = c.text("Provider that was asked.")
    purpose = c.text("What was asked.")
    prompt_version = c.text("Version of the prompt.")
    row_hash = c.text("Hash of the row that it is about: its key in the cache.")
    temperature = c.number("Temperature that was asked for.")
    max_tokens = c.count("Tokens that the answer may have at most.")
    prompt_tokens = c.count("Tokens read.")
    completion_tokens = c.count("Tokens written.")
    cost_usd = dy.Float64(min=0.0, nullable=False, description="What it cost, USD.")
    latency_ms = c.count("Time that it took, milliseconds.")
    status = c.label("What came of it.", CALL_STATUSES)
    input_hash = c.text("SHA-256 (hex) of prompt version, model and input.")
    input_context = c.text("What the model got, canonical JSON.", nullable=True)
    output = c.text("What it answered, a JSON text; null if nothing.", nullable=True)
    error = c.text("What went wrong, without any content; null if nothing.", nullable=True)


class LlmCosts(dy.Schema):
    """One row per (`date`, `purpose`, `prompt_version`, `model`): what calling models cost."""

    date = c.day("Day of the calls, UTC.", key=True)
    purpose = c.text("What was asked.", key=True)
    prompt_version = c.text("Version of the prompt.", key=True)
    model = c.text("Model that was asked.", key=True)
    calls = c.count("Calls, every try.")
    cached = c.count("Answers that were known already.")
    errors = c.count("Calls without a valid answer.")
    invalid = c.count("Of these, the ones with an answer that was none.")
    error_rate = c.percent("Share of the calls without a valid answer")
    prompt_tokens = c.count("Tokens read.")
    completion_tokens = c.count("Tokens written.")
    cost_usd = dy.Float64(min=0.0, nullable=False, description="What they cost, USD.")
    cost_per_user_usd = c.number("Cost by user asked about, USD; null without calls.")
    latency_p50_ms = c.count("Half of the calls took no longer, ms.", nullable=True)
    latency_p95_ms = c.count("95 % of the calls took no longer, ms.", nullable=True)
    latency_p99_ms = c.count("99 % of the calls took no longer, ms.", nullable=True)


LLM_CACHE: Final = Table("llm.llm_cache", LlmCache, "date", persons=("user_id",))
LLM_TRACES: Final = Table(
    "llm.llm_traces",
    LlmTraces,
    "date",
    persons=("user_hash",),
    # What a call has cost stays in the month's account.
    blanked=("user_hash", "input_context", "output", "error"),
    keep=Keep(90),
)
LLM_COSTS: Final = Table("marts.llm_costs", LlmCosts, "date")

TABLES: Final = (LLM_CACHE, LLM_TRACES, LLM_COSTS)
