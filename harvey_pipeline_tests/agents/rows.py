"""Rows of the seven sources as a sender writes them: mostly sound, some odd, some wrong."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

Delivery = dict[str, Any]
"""A row by column: text, None, or (for lists and objects) the value itself."""

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "agent_approvals": (
        "id",
        "conversation_id",
        "shop_domain",
        "status",
        "created_at",
        "agent_type",
        "chatwoot_conversation_id",
        "chatwoot_message_id",
        "customer_email",
        "customer_name",
        "draft_response",
        "confidence_score",
        "suggested_tags",
        "knowledge_sources",
        "priority",
        "recommended_action",
        "reviewed_at",
    ),
    "agent_queries": (
        "id",
        "shop_domain",
        "created_at",
        "agent_type",
        "conversation_id",
        "query_text",
        "latency_ms",
        "result_size_bytes",
        "is_approved",
        "is_human_edited",
        "is_error",
    ),
    "agent_feedback": (
        "id",
        "annotator_email",
        "shop_domain",
        "created_at",
        "conversation_id",
        "clarity_score",
        "accuracy_score",
        "helpfulness_score",
        "tone_score",
        "is_safe_to_send",
        "labels",
        "rubric",
        "notes",
        "input_text",
        "draft_text",
    ),
    "shops": (
        "shop_domain",
        "plan_type",
        "shop_name",
        "shop_owner",
        "is_active",
        "country",
        "timezone",
        "monthly_orders",
        "total_products",
    ),
    "customers": (
        "customer_email",
        "shop_domain",
        "customer_name",
        "customer_type",
        "order_count",
        "lifetime_value",
    ),
    "annotators": ("annotator_email", "annotator_name", "role", "team", "is_active"),
    "agent_types": (
        "agent_type_code",
        "agent_name",
        "agent_category",
        "model_version",
        "is_active",
        "expected_avg_latency_ms",
        "expected_approval_rate",
        "supports_streaming",
    ),
}
REQUIRED: Final[dict[str, int]] = {
    "agent_approvals": 5,
    "agent_queries": 3,
    "agent_feedback": 4,
    "shops": 2,
    "customers": 2,
    "annotators": 1,
    "agent_types": 1,
}
"""How many of the columns, from the first, must be there."""

MISSING: Final = (None, "", " ", "\u00a0\t", "NULL", " none", "\\N", "NaN")
SHOPS: Final = tuple(f"s{number}.example" for number in range(1, 9))
EMAILS: Final = tuple(f"c{number}@mail.example" for number in range(1, 7))
ANNOTATORS: Final = tuple(f"a{number}@lab.example" for number in range(1, 7))
AGENTS: Final = ("cx-agent", "product-agent", "legal-agent", "draft-agent", "tax-agent", "unknown")
NAMES: Final = ("Ann Lee", " Bo, Esq. ", 'Cy "Y" Zed', "Dée", "Ümit Çelik", None, "")
TEXTS: Final = (
    "Dear client,\nyour contract is fine.",
    'He said "no", twice.\r\n\r\nBye',
    "  ",
    " NULL ",
    "👩‍⚖️ à la carte",
    "x" * 501,
    "é" * 499 + "👍👍",
    "",
    None,
    "\tindented, and blank at its end ",
    "\u00a0\n\r\n",
)
LISTS: Final[tuple[Any, ...]] = (
    [],
    ["a"],
    ["a", "b,c", 'd"e'],
    [["nested", 1], None],
    "[ ]",
    '["text", "of JSON"]',
    "[NaN]",
    '["cut',
    '["one"] ["two"]',
    {"a": 1},
    "5",
    "words",
)
OBJECTS: Final[tuple[Any, ...]] = (
    {},
    {"tone": 3},
    {"a": {"b": []}},
    '{"k": "v"}',
    "{}",
    "{'k': 1}",
    [1],
    "7",
)
FLAGS: Final = ("true", "FALSE", "t", "F", "1", "0", " True ", "yes", "2", "1.0")
NUMBERS: Final = ("0", "12", "345", "7.000", " 9 ", "1,5", "1.5", "-3", "1e3", "1234567890", "many")
PERCENTS: Final = ("0", "49.99", "50", "79.5", "80", "89.999", "90.", ".5", "100", "100.0")
BAD_PERCENTS: Final = ("100.01", "-1", "80 %", "0,8", "8e1", "high")
SCORES: Final = ("1", "2", "3", "4", "5", "4.0", "5.", "0", "6", "4.5", "good")
STATUSES: Final = ("pending", "approved", "Rejected ", "EDITED", "expired", None)


def sometimes(choose: random.Random, share: float) -> bool:
    return choose.random() < share


def perhaps(choose: random.Random, value: Any, share: float = 0.05) -> Any:
    """A value, or now and then one of the ways in which it may be missing."""
    return choose.choice(MISSING) if sometimes(choose, share) else value


def odd_case(choose: random.Random, text: str) -> str:
    """A word whose case and blanks do not matter."""
    return choose.choice((text, text, text, text.upper(), f" {text.title()}\t"))


def moment_text(choose: random.Random, moment: datetime) -> str:
    """A moment, UTC, in one of the ways in which it may be written."""
    hours = choose.choice((-11, -5, 1, 5, 14))
    there = moment + timedelta(hours=hours)
    offset = f"{'-' if hours < 0 else '+'}{abs(hours):02}"
    minutes = moment.replace(second=0, microsecond=0)
    texts = [
        moment.isoformat(sep=" "),
        moment.isoformat() + "Z",
        f"{moment.isoformat(timespec='microseconds')}789 UTC",
        f"{there.isoformat()}{offset}:00",
        f"{there.isoformat(sep=' ')} {offset}00",
        f"{there.isoformat(sep=' ')}{offset}",
    ]
    if moment == minutes:
        hour = moment.hour % 12 or 12
        half = "pm" if moment.hour >= 12 else "AM"
        day = f"{moment.month}/{moment.day}/{moment.year}"
        texts += [
            f"{moment:%Y-%m-%d %H:%M}",
            f"{day} {moment.hour}:{moment.minute:02}",
            f"{day} {hour}:{moment.minute:02} {half}",
        ]
        if moment.hour == moment.minute == 0:
            texts += [f"{moment:%Y-%m-%d}", day]
    return choose.choice(texts)


def moment_on(choose: random.Random, day: date) -> datetime:
    """A moment of a day, often at one of its ends."""
    start = datetime(day.year, day.month, day.day)
    seconds = choose.choice((0, 1, 86399, 3600, 43200, choose.randrange(86400)))
    fraction = choose.choice((0, 0, 0, 999_999, 500_000))
    return start + timedelta(seconds=seconds, microseconds=fraction)


@dataclass
class Senders:
    """Who writes the rows of each day; they remember what they wrote before.

    Reviews come `delays` days after their draft. Days must be asked for in order.
    """

    choose: random.Random
    delays: Sequence[int] = (0, 1, 3, 10, 29, 30, 31, 32)
    reviews: dict[date, list[Delivery]] = field(default_factory=dict)
    known: dict[str, dict[str, Delivery]] = field(default_factory=dict)
    away: set[tuple[str, str]] = field(default_factory=set)
    ids: int = 0

    def rows(self, source: str, day: date) -> list[Delivery]:
        """The rows of a drop."""
        make = {
            "agent_approvals": self.approvals,
            "agent_queries": self.queries,
            "agent_feedback": self.feedback,
        }.get(source)
        return make(day) if make is not None else self.snapshot(source)

    def next_id(self) -> str:
        self.ids += 1
        return str(self.ids)

    def delivered_on(self, day: date, late_days: int) -> date:
        """The day of creation of a row in a drop: mostly the drop's, or late, or too late."""
        late = self.choose.choice((0, 0, 0, 0, 1, 1, late_days, late_days + 1, -1))
        return day - timedelta(days=late)

    def approvals(self, day: date) -> list[Delivery]:
        choose = self.choose
        rows = self.reviews.pop(day, [])
        for _ in range(choose.randrange(2, 7)):
            created_on = self.delivered_on(day, 30) if sometimes(choose, 0.3) else day
            draft = self.draft(created_on)
            rows.append(draft)
            for _ in range(choose.choice((0, 1, 1, 2))):
                reviewed_on = created_on + timedelta(days=choose.choice(self.delays))
                if reviewed_on >= day:
                    review = self.review(draft, created_on, reviewed_on)
                    target = (
                        rows if reviewed_on == day else self.reviews.setdefault(reviewed_on, [])
                    )
                    target.append(review)
        return rows

    def draft(self, created_on: date) -> Delivery:
        choose = self.choose
        row: Delivery = dict.fromkeys(COLUMNS["agent_approvals"])
        row |= {
            "id": perhaps(choose, self.next_id(), 0.02),
            "conversation_id": perhaps(choose, f"conv-{choose.randrange(20)}", 0.04),
            "shop_domain": perhaps(choose, self.shop()),
            "status": choose.choice(("pending", "Pending", "pending", "expired")),
            "created_at": self.created(created_on),
            "agent_type": perhaps(choose, odd_case(choose, choose.choice(AGENTS)), 0.2),
            "chatwoot_conversation_id": choose.choice(("17", " 18 ", None)),
            "chatwoot_message_id": choose.choice(("m1", "", "3.0")),
            "customer_email": perhaps(choose, self.email(), 0.1),
            "customer_name": choose.choice(NAMES),
            "draft_response": choose.choice(TEXTS),
            "confidence_score": self.percent(),
            "suggested_tags": choose.choice(LISTS[:6]),
            "knowledge_sources": choose.choice(LISTS),
            "priority": choose.choice(("urgent", "URGENT ", "low", None)),
            "recommended_action": choose.choice(("escalate", " Escalate", "reply", "")),
        }
        return row

    def review(self, draft: Delivery, created_on: date, reviewed_on: date) -> Delivery:
        """A draft as it is delivered anew, now and then with another day of creation."""
        choose = self.choose
        review = draft | {
            "status": choose.choice(STATUSES),
            "reviewed_at": moment_text(choose, moment_on(choose, reviewed_on)),
        }
        if sometimes(choose, 0.15):
            review["reviewed_at"] = choose.choice((None, "soon", "2020-01-01", "2199-01-01"))
        if sometimes(choose, 0.1):
            review["created_at"] = self.created(created_on + timedelta(days=1))
        if sometimes(choose, 0.3):
            review |= {"confidence_score": self.percent(), "customer_name": choose.choice(NAMES)}
        return review

    def queries(self, day: date) -> list[Delivery]:
        choose = self.choose
        rows: list[Delivery] = []
        for _ in range(choose.randrange(2, 9)):
            reused = str(choose.randrange(1, self.ids + 2))
            row = {
                "id": perhaps(choose, reused if sometimes(choose, 0.2) else self.next_id(), 0.02),
                "shop_domain": perhaps(choose, self.shop()),
                "created_at": self.created(self.delivered_on(day, 1)),
                "agent_type": perhaps(choose, odd_case(choose, choose.choice(AGENTS)), 0.1),
                "conversation_id": choose.choice(("c1", " c2", None)),
                "query_text": choose.choice(TEXTS),
                "latency_ms": perhaps(choose, choose.choice(NUMBERS[:6])),
                "result_size_bytes": choose.choice(NUMBERS),
                "is_approved": perhaps(choose, choose.choice(FLAGS[:7]), 0.3),
                "is_human_edited": choose.choice(FLAGS),
                "is_error": perhaps(choose, choose.choice(FLAGS), 0.3),
            }
            rows += [row, row | {"latency_ms": "99"}] if sometimes(choose, 0.1) else [row]
        return rows

    def feedback(self, day: date) -> list[Delivery]:
        choose = self.choose
        rows: list[Delivery] = []
        for _ in range(choose.randrange(1, 6)):
            row: Delivery = dict.fromkeys(COLUMNS["agent_feedback"])
            row |= {
                column: perhaps(choose, choose.choice(SCORES), 0.2)
                for column in COLUMNS["agent_feedback"]
                if column.endswith("_score")
            }
            row |= {
                "id": perhaps(choose, self.next_id(), 0.02),
                "annotator_email": perhaps(
                    choose, odd_case(choose, choose.choice((*ANNOTATORS, "x@y.example"))), 0.1
                ),
                "shop_domain": perhaps(choose, self.shop()),
                "created_at": self.created(self.delivered_on(day, 1)),
                "is_safe_to_send": perhaps(choose, choose.choice(FLAGS), 0.2),
                "labels": choose.choice(LISTS),
                "rubric": choose.choice(OBJECTS),
                **{name: choose.choice(TEXTS) for name in ("notes", "input_text", "draft_text")},
            }
            rows.append(row)
        return rows

    def snapshot(self, source: str) -> list[Delivery]:
        """All rows of a snapshot: keys come, change, leave and return."""
        choose = self.choose
        share = 0.08 if source in self.known else 0.7
        known = self.known.setdefault(source, {})
        for key, row in self.candidates(source):
            if key not in known and sometimes(choose, share):
                known[key] = row
            elif key in known and sometimes(choose, 0.1):
                known[key] = known[key] | dict([choose.choice([*row.items()][1:])])
        gone = (source, choose.choice([*known]))
        # Of a snapshot of which too many are gone nothing would count.
        few_are_gone = sum(one == source for one, _ in self.away) < len(known) // 5
        if sometimes(choose, 0.4) and (gone in self.away or few_are_gone):
            self.away ^= {gone}
        rows = [dict(row) for key, row in known.items() if (source, key) not in self.away]
        number = {"shops": "monthly_orders", "customers": "order_count"}.get(source, "is_active")
        if rows and sometimes(choose, 0.2):
            choose.choice(rows)[number] = "oops"
        if rows and sometimes(choose, 0.2):
            row = dict(choose.choice(rows))
            row[COLUMNS[source][0]] = choose.choice((str(row[COLUMNS[source][0]]).upper(), ""))
            rows.append(row)
        choose.shuffle(rows)
        return rows

    def candidates(self, source: str) -> list[tuple[str, Delivery]]:
        """Every key that there may be, with attributes as of now."""
        choose = self.choose
        if source == "shops":
            makers: list[Delivery] = [
                {
                    "shop_domain": shop,
                    "plan_type": choose.choice(("free", "Pro", "enterprise ", None)),
                    "shop_name": choose.choice(NAMES),
                    "shop_owner": choose.choice(NAMES),
                    "is_active": choose.choice(("true", "f", "")),
                    "country": choose.choice(("US", "FR", None)),
                    "timezone": choose.choice(("UTC", "Europe/Paris")),
                    "monthly_orders": choose.choice(("10", "20.0", None)),
                    "total_products": choose.choice(("3", "4")),
                }
                for shop in SHOPS
            ]
        elif source == "customers":
            makers = [
                {
                    "customer_email": email,
                    "shop_domain": shop,
                    "customer_name": choose.choice(NAMES),
                    "customer_type": choose.choice(("Firm", "person", None)),
                    "order_count": choose.choice(("0", "1", "2", "9", "10", None)),
                    "lifetime_value": choose.choice(("0", "999.99", "1000.", ".5", None)),
                }
                for email in EMAILS
                for shop in SHOPS[:2]
            ]
        elif source == "annotators":
            makers = [
                {
                    "annotator_email": email,
                    "annotator_name": choose.choice(NAMES),
                    "role": choose.choice(("Lawyer", "paralegal", "")),
                    "team": choose.choice(("North ", None)),
                    "is_active": choose.choice(("1", "0", "", None)),
                }
                for email in ANNOTATORS
            ]
        else:
            makers = [
                {
                    "agent_type_code": code,
                    "agent_name": choose.choice(("The Agent", None)),
                    "agent_category": choose.choice(("legal", "sales")),
                    "model_version": choose.choice(("1.0", "2")),
                    "is_active": choose.choice(("true", "0", "")),
                    "expected_avg_latency_ms": choose.choice(("12", "200", None)),
                    "expected_approval_rate": choose.choice(("33.3", "50", None)),
                    "supports_streaming": choose.choice(("t", "f", None)),
                }
                for code in (*AGENTS[1:], "sales-agent")
            ]
        keys = 2 if source == "customers" else 1
        return [("|".join([*row.values()][:keys]), row) for row in makers]

    def shop(self) -> str:
        choose = self.choose
        return odd_case(choose, choose.choice((*SHOPS, *SHOPS, "never.example", "unknown")))

    def email(self) -> str:
        return odd_case(self.choose, self.choose.choice((*EMAILS, *EMAILS, "unknown")))

    def percent(self) -> str | None:
        choose = self.choose
        texts = BAD_PERCENTS if sometimes(choose, 0.08) else PERCENTS
        value: str | None = perhaps(choose, choose.choice(texts), 0.1)
        return value

    def created(self, day: date) -> Any:
        text = moment_text(self.choose, moment_on(self.choose, day))
        if sometimes(self.choose, 0.03):
            return self.choose.choice((None, "yesterday", "2024-02-30", "13/13/2024"))
        return text
