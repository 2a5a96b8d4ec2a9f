"""Synthetic drops of the subject: drafts and their reviews, queries, annotations, and who is who.

Every draw depends on the seed, the day and the row only, so a draft that comes again with its
review is the same draft, and any day can be made by itself.
"""

import gzip
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from harvey_pipeline.agents.sources import SOURCES
from harvey_pipeline.agents.tables.labels import BUILT_IN_AGENT_TYPES
from harvey_pipeline.subject import SampleWriter
from harvey_pipeline.synthetic import refuse_to_mix
from harvey_pipeline.warehouse.days import DayRange

_APPROVALS, _QUERIES, _ANNOTATIONS = 40, 60, 10
_EVENTS: Final = 220
"""Events a day for which there are so many drafts, queries and annotations."""
_SHOPS, _USERS = 15, 250
_ANNOTATORS: Final = 8

_DELAYS: Final = ((45, 0), (20, 1), (10, 2), (6, 5), (3, 12), (1, 35), (15, -1))
"""(share, days) from a draft to its review; -1: none. After 35 days it comes too late."""
_STATUSES: Final = ((70, "approved"), (12, "rejected"), (16, "edited"), (2, "expired"))
_PLANS: Final = ("free", "basic", "pro", "enterprise")
_COUNTRIES: Final = (("US", "America/New_York"), ("DE", "Europe/Berlin"), ("CA", "America/Toronto"))
_TAGS: Final = ("[]", '["refund"]', '["order status", "urgent"]', '["sizing"]', "")
_KNOWLEDGE: Final = ('["faq"]', '["faq", "returns policy"]', '["orders", "shipping", "faq"]', "")
_TEXTS: Final = (
    "Your order has left our warehouse, and is with you in two days.",
    "We are sorry. The refund is on its way; it takes up to five working days.",
    "This jacket runs small: most customers take one size up.",
    "The item is back in stock on Monday. Shall we keep one for you?",
)
_QUESTIONS: Final = (
    "where is my order",
    "stock of the blue jacket, size M",
    "sales of last week by product",
    "which products sell best in Canada?",
)
_NOTES: Final = ("", "Good tone, but the date is missing.", " ", "Would send it as it is.")
_DIRT: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "agent_approvals": (
        ("id", ""),
        ("created_at", "yesterday"),
        ("conversation_id", ""),
        ("confidence_score", "high"),
        ("suggested_tags", "[refund"),
        ("reviewed_at", "2020-01-01 09:00:00"),
        ("shop_domain", ""),
    ),
    "agent_queries": (
        ("id", ""),
        ("created_at", "2024-02-30"),
        ("latency_ms", "12.5 s"),
        ("is_error", "yes"),
        ("agent_type", "pilot-agent"),
    ),
    # Of so few rows a rejected one is a tenth, which is an error.
    "agent_feedback": (("clarity_score", "6"), ("rubric", "{]"), ("annotator_email", "")),
}
"""What may be wrong with a row: a column, and the text that stands in it."""


@dataclass(frozen=True)
class SampleSpec:
    """What to make: rows a day and who they are of, the range of days, the share of broken rows."""

    days: int = 91
    seed: int = 7
    dirty: float = 0.01
    approvals: int = _APPROVALS
    queries: int = _QUERIES
    annotations: int = _ANNOTATIONS
    shops: int = _SHOPS
    start: date = date(2024, 4, 1)

    def day(self, number: int) -> date:
        return self.start + timedelta(days=number)


def prepare_sample(out: Path, sizes: Mapping[str, Any]) -> SampleWriter:
    """A writer of all days' drops; rows grow with the events a day, shops with the users.

    Raises:
        FileExistsError: The folder holds drops of these sources already.
    """
    refuse_to_mix(out, [source.name for source in SOURCES])
    events, users = sizes.get("events_per_day", _EVENTS), sizes.get("users", _USERS)
    spec = SampleSpec(
        **{name: sizes[name] for name in ("days", "seed", "dirty") if name in sizes},
        approvals=max(1, _APPROVALS * events // _EVENTS),
        queries=max(1, _QUERIES * events // _EVENTS),
        annotations=max(1, _ANNOTATIONS * events // _EVENTS),
        shops=max(12, _SHOPS * users // _USERS),
    )

    def write(on_day: Callable[[date], None]) -> DayRange:
        write_sample(out, spec, on_day)
        return DayRange(spec.day(0), spec.day(spec.days - 1))

    return write


def write_sample(out: Path, spec: SampleSpec, on_day: Callable[[date], None] | None = None) -> None:
    """Write `<out>/<source>/<day>.<form>` for every source and day; `on_day` when a day is done.

    Raises:
        FileExistsError: The folder holds drops of these sources already.
    """
    refuse_to_mix(out, [source.name for source in SOURCES])
    _write(out / "customers.csv", _customers(spec))
    for number in range(spec.days):
        drops = {
            "agent_approvals": _approvals(spec, number),
            "agent_queries": _queries(spec, number),
            "agent_feedback": _annotations(spec, number),
            "shops": _shops(spec, number),
            "annotators": _annotators(spec, number),
            "agent_types": _agent_types(spec, number),
        }
        for name, rows in drops.items():
            broken = _damage(spec, name, number, rows)
            _write(out / name / f"{spec.day(number)}.{_form(name, number)}", broken)
        if on_day is not None:
            on_day(spec.day(number))


def _form(name: str, number: int) -> str:
    if name in ("shops", "annotators", "agent_types"):
        return "csv"
    if number % 7 == 3:
        return "parquet"
    return "jsonl.gz" if name == "agent_approvals" else "csv.gz"


# --- chance --------------------------------------------------------------------------------------


def _roll(spec: SampleSpec, rows: int, day: int, purpose: str, below: int) -> pl.Series:
    """A whole number from 0 to `below` - 1 for each row, the same whatever else is drawn."""
    text = f"{spec.seed}/{day}/{purpose}"
    key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
    bits = (pl.int_range(1, rows + 1, dtype=pl.UInt64, eager=True)) * 0x9E3779B97F4A7C15 + key
    # UInt64 wraps; a division stands for a right shift.
    bits = (bits ^ (bits // (1 << 30))) * 0xBF58476D1CE4E5B9
    bits = (bits ^ (bits // (1 << 27))) * 0x94D049BB133111EB
    return ((bits // (1 << 32)) * below // (1 << 32)).cast(pl.Int64)


def _pick(
    spec: SampleSpec, rows: int, day: int, purpose: str, values: Sequence[tuple[int, Any]]
) -> pl.Series:
    """One of some values, each with its share, for each row."""
    spread = [value for share, value in values for _ in range(share)]
    return pl.Series(spread).gather(_roll(spec, rows, day, purpose, len(spread)))


def _evenly(values: Sequence[Any]) -> list[tuple[int, Any]]:
    return [(1, value) for value in values]


# --- who -----------------------------------------------------------------------------------------


def _shop(number: pl.Series) -> pl.Series:
    return pl.select(pl.format("shop-{}.example.com", number + 1)).to_series()


def _shops(spec: SampleSpec, number: int) -> pl.DataFrame:
    """The snapshot of a day: plans change once for every third shop, one shop leaves for a week."""
    shop = pl.int_range(spec.shops, eager=True)
    plan = _roll(spec, spec.shops, -1, "plan", len(_PLANS))
    moves = _roll(spec, spec.shops, -1, "moves", max(spec.days, 2))
    has_moved = (shop % 3 == 0) & (moves <= number)
    rows = pl.DataFrame(
        {
            "shop_domain": _shop(shop),
            "shop_name": pl.select(pl.format("Shop {}", shop + 1)).to_series(),
            "shop_owner": pl.select(pl.format("Owner {}", shop + 1)).to_series(),
            "plan_type": pl.Series(_PLANS).gather((plan + has_moved.cast(pl.Int64)) % len(_PLANS)),
            "is_active": pl.Series(["true"] * spec.shops),
            "country": pl.Series([one for one, _ in _COUNTRIES]).gather(shop % len(_COUNTRIES)),
            "timezone": pl.Series([one for _, one in _COUNTRIES]).gather(shop % len(_COUNTRIES)),
            "monthly_orders": (100 + 40 * shop).cast(pl.String),
            "total_products": (20 + 7 * shop).cast(pl.String),
        }
    )
    # The last shop joins late, the one before it is away in the middle.
    third = spec.days // 3
    is_away = (shop == spec.shops - 2) & (third <= number < third + 7)
    is_yet_to_come = (shop == spec.shops - 1) & (number < 2 * third)
    if number == spec.days // 2:
        rows = rows.with_columns(
            monthly_orders=pl.when(shop == 1).then(pl.lit("oops")).otherwise("monthly_orders")
        )
    return rows.filter(~(is_away | is_yet_to_come))


def _customer_count(spec: SampleSpec) -> int:
    return 12 * spec.shops


def _customers(spec: SampleSpec) -> pl.DataFrame:
    count = _customer_count(spec)
    customer = pl.int_range(count, eager=True)
    orders = _roll(spec, count, -1, "orders", 14)
    rows = pl.DataFrame(
        {
            "customer_email": _email(customer),
            "shop_domain": _shop(customer % spec.shops),
            "customer_name": pl.select(pl.format("Customer {}", customer + 1)).to_series(),
            "customer_type": _pick(spec, count, -1, "type", [(3, "retail"), (1, "wholesale")]),
            "order_count": orders.cast(pl.String),
            "lifetime_value": pl.select(pl.format("{}.50", orders * 97)).to_series(),
        }
    )
    # Every ninth customer is not on the list: drafts alone tell of them.
    return rows.filter(customer % 9 != 4)


def _email(customer: pl.Series) -> pl.Series:
    return pl.select(pl.format("customer{}@example.com", customer + 1)).to_series()


def _annotators(spec: SampleSpec, number: int) -> pl.DataFrame:
    who = pl.int_range(_ANNOTATORS, eager=True)
    rows = pl.DataFrame(
        {
            "annotator_email": pl.select(pl.format("annotator{}@example.com", who + 1)).to_series(),
            "annotator_name": pl.select(pl.format("Annotator {}", who + 1)).to_series(),
            "role": pl.Series(["lead", *["annotator"] * (_ANNOTATORS - 1)]),
            "team": pl.Series(["North", "South"]).gather(who % 2),
            "is_active": pl.Series(["", *["true"] * (_ANNOTATORS - 1)]),
        }
    )
    # One leaves for good; more at once would look like a snapshot that is cut off.
    return rows.filter((who != 2) | (number < spec.days * 2 // 3))


def _agent_types(spec: SampleSpec, number: int) -> pl.DataFrame:
    codes = [code for code in BUILT_IN_AGENT_TYPES if code != "unknown"]
    model = "m2" if number >= spec.days // 2 else "m1"
    return pl.DataFrame(
        {
            "agent_type_code": codes,
            "agent_name": [BUILT_IN_AGENT_TYPES[code][0] for code in codes],
            "agent_category": [BUILT_IN_AGENT_TYPES[code][1] for code in codes],
            "model_version": [model, "m1", "m1", "m1"],
            "is_active": ["true", "true", "true", ""],
            "expected_avg_latency_ms": ["900", "700", "1200", "1500"],
            "expected_approval_rate": ["70", "75", "80", ""],
            "supports_streaming": ["true", "false", "false", "false"],
        }
    )


# --- what they do --------------------------------------------------------------------------------


def _moments(spec: SampleSpec, rows: int, number: int, purpose: str) -> pl.Series:
    seconds = _roll(spec, rows, number, f"{purpose} second", 86_400).sort()
    at = pl.lit(spec.day(number)).cast(pl.Datetime("us")) + pl.duration(seconds=pl.col("s"))
    return seconds.alias("s").to_frame().select(at).to_series()


def _ids(prefix: str, number: int, rows: int) -> pl.Series:
    return pl.select(pl.format(f"{prefix}{number}-{{}}", pl.int_range(1, rows + 1))).to_series()


def _as_text(column: str) -> pl.Expr:
    return pl.col(column).dt.strftime("%Y-%m-%d %H:%M:%S")


def _drafts(spec: SampleSpec, number: int) -> pl.DataFrame:
    """The drafts of a day, with `delay`, `verdict` and `minutes` of their review."""
    rows = spec.approvals
    customer = _roll(spec, rows, number, "customer", _customer_count(spec))
    confidence = 45 + _roll(spec, rows, number, "confidence", 550) / 10

    def pick(purpose: str, values: Sequence[tuple[int, Any]]) -> pl.Series:
        return _pick(spec, rows, number, purpose, values)

    return pl.DataFrame(
        {
            "id": _ids("a", number, rows),
            "conversation_id": _ids("c", number, rows),
            "shop_domain": _shop(customer % spec.shops),
            "at": _moments(spec, rows, number, "draft"),
            "agent_type": pick(
                "agent", [(6, "cx-agent"), (2, "product-agent"), (1, ""), (1, "CX-Agent")]
            ),
            "chatwoot_conversation_id": (1000 * number + customer).cast(pl.String),
            "customer_email": pl.select(
                pl.when(customer % 11 != 3).then(_email(customer)).otherwise(pl.lit(""))
            ).to_series(),
            "customer_name": pl.select(pl.format("Customer {}", customer + 1)).to_series(),
            "draft_response": pick("text", _evenly(_TEXTS)),
            "confidence_score": confidence.cast(pl.String),
            "suggested_tags": pick("tags", _evenly(_TAGS)),
            "knowledge_sources": pick("knowledge", _evenly(_KNOWLEDGE)),
            "priority": pick("priority", [(6, "normal"), (1, "urgent"), (1, "low")]),
            "recommended_action": pick("action", [(9, "send"), (1, "escalate")]),
            "delay": pick("delay", _DELAYS),
            "verdict": pick("verdict", _STATUSES),
            "minutes": _roll(spec, rows, number, "minutes", 180) + 1,
        }
    )


def _approvals(spec: SampleSpec, number: int) -> pl.DataFrame:
    """What a day's drop delivers: the drafts of the day, and older ones with their review."""
    today = _drafts(spec, number)
    last = pl.col("at").dt.date().cast(pl.Datetime("us")).dt.offset_by("86399s")
    at_once = pl.min_horizontal(pl.col("at") + pl.duration(minutes="minutes"), last)
    is_reviewed = pl.col("delay") == 0
    parts = [
        today.with_columns(
            status=pl.when(is_reviewed).then("verdict").otherwise(pl.lit("pending")),
            reviewed_at=pl.when(is_reviewed).then(at_once),
        )
    ]
    for _, delay in _DELAYS:
        if 0 < delay <= number:
            morning = pl.lit(spec.day(number)).cast(pl.Datetime("us"))
            parts.append(
                _drafts(spec, number - delay)
                .filter(pl.col("delay") == delay)
                .with_columns(
                    status="verdict",
                    reviewed_at=morning + pl.duration(minutes=pl.col("minutes") + 480),
                )
            )
    return pl.concat(parts).select(
        "id",
        "conversation_id",
        "shop_domain",
        "status",
        created_at=_as_text("at"),
        agent_type="agent_type",
        chatwoot_conversation_id="chatwoot_conversation_id",
        customer_email="customer_email",
        customer_name="customer_name",
        draft_response="draft_response",
        confidence_score="confidence_score",
        suggested_tags="suggested_tags",
        knowledge_sources="knowledge_sources",
        priority="priority",
        recommended_action="recommended_action",
        reviewed_at=_as_text("reviewed_at").fill_null(""),
    )


def _queries(spec: SampleSpec, number: int) -> pl.DataFrame:
    rows = spec.queries

    def pick(purpose: str, values: Sequence[tuple[int, Any]]) -> pl.Series:
        return _pick(spec, rows, number, f"query {purpose}", values)

    agents = [(3, "cx-agent"), (2, "inventory-agent"), (2, "product-agent"), (1, "analytics-agent")]
    slow = _roll(spec, rows, number, "slow", 20) == 0
    latency = 200 + _roll(spec, rows, number, "latency", 900) + 4000 * slow.cast(pl.Int64)
    answers = [(6, "true"), (1, "false"), (5, "")]
    return pl.DataFrame(
        {
            "id": _ids("q", number, rows),
            "shop_domain": _shop(_roll(spec, rows, number, "query shop", spec.shops)),
            "created_at": _moments(spec, rows, number, "query"),
            "agent_type": pick("agent", agents),
            "conversation_id": _ids("c", number, rows),
            "query_text": pick("text", _evenly(_QUESTIONS)),
            "latency_ms": latency.cast(pl.String),
            "result_size_bytes": (300 + 7 * _roll(spec, rows, number, "size", 900)).cast(pl.String),
            "is_approved": pick("approved", answers),
            "is_human_edited": pick("edited", [(1, "true"), (6, "false"), (5, "")]),
            "is_error": pick("error", [(1, "true"), (30, "false"), (2, "")]),
        }
    ).with_columns(_as_text("created_at"))


def _annotations(spec: SampleSpec, number: int) -> pl.DataFrame:
    rows = spec.annotations

    def pick(purpose: str, values: Sequence[tuple[int, Any]]) -> pl.Series:
        return _pick(spec, rows, number, f"annotation {purpose}", values)

    scores = [(1, "2"), (3, "3"), (6, "4"), (4, "5"), (1, "")]
    is_here = number < spec.days * 2 // 3
    who = [(1, f"annotator{n + 1}@example.com") for n in range(_ANNOTATORS) if n != 2 or is_here]
    kinds = ("clarity", "accuracy", "helpfulness", "tone")
    return pl.DataFrame(
        {
            "id": _ids("f", number, rows),
            "annotator_email": pick("who", who),
            "shop_domain": _shop(_roll(spec, rows, number, "annotation shop", spec.shops)),
            "created_at": _moments(spec, rows, number, "annotation"),
            "conversation_id": _ids("c", number, rows),
            **{f"{kind}_score": pick(kind, scores) for kind in kinds},
            "is_safe_to_send": pick("safe", [(9, "true"), (1, "false"), (1, "")]),
            "labels": pick("labels", [(1, "[]"), (2, '["helpful"]'), (1, "")]),
            "rubric": pick("rubric", [(1, ""), (2, '{"policy": 1, "tone": 2}'), (1, "{}")]),
            "notes": pick("notes", _evenly(_NOTES)),
            "input_text": pick("input", _evenly(_QUESTIONS)),
            "draft_text": pick("draft", _evenly(_TEXTS)),
        }
    ).with_columns(_as_text("created_at"))


# --- how it is written ---------------------------------------------------------------------------


def _damage(spec: SampleSpec, name: str, number: int, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows, a share of them with one field as the contract does not have it."""
    faults = _DIRT.get(name, ())
    if not faults or not spec.dirty:
        return rows
    is_struck = _roll(spec, rows.height, number, f"{name} struck", 1_000_000) < round(
        spec.dirty * 1_000_000
    )
    fault = _roll(spec, rows.height, number, f"{name} fault", len(faults))
    if not is_struck.any() and number % 5 == 2 and rows.height:
        # Small drops, too, have something of each kind in the end.
        is_struck = pl.int_range(rows.height, eager=True) == rows.height // 2
        fault = pl.repeat(number // 5 % len(faults), rows.height, eager=True)
    for place, (column, text) in enumerate(faults):
        is_hit = is_struck & (fault == place)
        rows = rows.with_columns(pl.when(is_hit).then(pl.lit(text)).otherwise(column).alias(column))
    return rows


def _write(path: Path, rows: pl.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    given = rows.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)))
    body = io.BytesIO()
    if path.name.endswith(".parquet"):
        given.write_parquet(path)
        return
    if ".jsonl" in path.name:
        given.write_ndjson(body)
    else:
        rows.write_csv(body)
    # A time stamp in the header would make equal content unequal bytes.
    is_packed = path.suffix == ".gz"
    path.write_bytes(gzip.compress(body.getvalue(), mtime=0) if is_packed else body.getvalue())
