"""Section 1, values: what a field's text says."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cache
from typing import Any, TypeAlias

TableRow: TypeAlias = dict[str, Any]

BLANKS = " \t\u00a0\ufeff"
"""A space, a tab, a no-break blank, a byte-order mark."""

WRITTEN_NULLS = ("null", "\\n", "none", "nan", "<nil>", "(null)", "undefined")
"""In small letters, for their case does not matter."""


def trimmed(text: str) -> str:
    """Text without the blanks around it."""
    return text.strip(BLANKS)


def read_value(text: str | None, is_verbatim: bool = False) -> str:
    """A field without the blanks around it; empty where it is missing, or a written null."""
    plain = trimmed(text or "")
    if plain.lower() in WRITTEN_NULLS:
        return ""
    return text or "" if is_verbatim else plain


CLOCK = (
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2})(\.(?P<fraction>[0-9]{1,9}))?)?"
)
OFFSET = rf"([{BLANKS}]?(?P<offset>Z|UTC|GMT|[+-][0-9]{{2}}(:?[0-9]{{2}})?))?"
ISO_TIMESTAMP = re.compile(
    rf"(?P<year>[0-9]{{4}})-(?P<month>[0-9]{{2}})-(?P<day>[0-9]{{2}})([T ]{CLOCK}{OFFSET})?"
)
US_TIMESTAMP = re.compile(
    r"(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4})"
    r"( (?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2}))?"
    r"( (?P<half>[AaPp][Mm]))?)?"
)


@cache
def read_timestamp(text: str) -> datetime | None:
    """A timestamp is ISO 8601 or US style, years 1970 to 2199, and is converted to UTC."""
    match = ISO_TIMESTAMP.fullmatch(text) or US_TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    parts = match.groupdict()
    hour = read_hour(int(parts["hour"] or 0), parts.get("half"))
    offset = read_offset(parts.get("offset") or "Z")
    if hour is None or offset is None or not 1970 <= int(parts["year"]) <= 2199:
        return None
    try:
        local = datetime(
            int(parts["year"]),
            int(parts["month"]),
            int(parts["day"]),
            hour,
            int(parts["minute"] or 0),
            int(parts["second"] or 0),
            int((parts.get("fraction") or "").ljust(6, "0")[:6]),
        )
    except ValueError:
        return None
    return local - offset


def read_hour(hour: int, half: str | None) -> int | None:
    """The hour of the day; with AM or PM it runs from 1 to 12, and 12 AM is midnight."""
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        return None
    return hour % 12 + (12 if half.lower() == "pm" else 0)


def read_offset(text: str) -> timedelta | None:
    """An offset is `Z`, `UTC`, `GMT`, or a sign with hours and perhaps minutes, below a day."""
    if text in ("Z", "UTC", "GMT"):
        return timedelta(0)
    digits = text[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        return None
    size = timedelta(hours=hours, minutes=minutes)
    return -size if text[0] == "-" else size


@cache
def read_whole_number(text: str) -> int | None:
    """A whole number of at most 9 digits (`3`, `3.000`)."""
    match = re.fullmatch(r"([0-9]{1,9})(\.0*)?", text)
    return int(match[1]) if match else None


@cache
def read_decimal(text: str) -> Fraction | None:
    """A decimal number without sign or exponent (`35`, `.25`, `4.`)."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", text):
        return None
    whole, _, decimals = text.partition(".")
    return Fraction(f"{whole or 0}.{decimals or 0}")


def as_json(fields: Mapping[str, str | None]) -> str:
    """Fields as a JSON object."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
