"""What is answered about a user, of every combination of what is known."""

from datetime import date, datetime

import polars as pl
import pytest

from harvey_pipeline.conversations.tables.users import USER_PROFILES
from harvey_pipeline.live.keys import SUMS, USERS
from harvey_pipeline.service.answers import (
    UNAVAILABLE,
    Live,
    as_json,
    context_of,
    days_since,
    wants_plain_text,
)
from harvey_pipeline.service.examples import CONTEXT, PROFILE, TODAY
from harvey_pipeline.service.profiles import NEVER_SERVED, Profiles

DAY = date(2026, 11, 28)
KNOWN = Profiles(DAY, pl.DataFrame({"user_id": ["ana"], "sessions": [31]}), {"ana": 0})
OF_ANA = {"user_id": "ana", "sessions": 31}
NONE = Profiles()
LIVE = Live("ok", {"events": 2})


@pytest.mark.parametrize(
    ("user", "profiles", "live", "status"),
    [
        ("ana", KNOWN, LIVE, 200),
        ("ana", KNOWN, Live("empty"), 200),
        ("ana", KNOWN, UNAVAILABLE, 200),
        ("ben", KNOWN, LIVE, 200),
        ("ben", KNOWN, Live("empty"), 404),
        ("ben", KNOWN, UNAVAILABLE, 503),
        ("ana", NONE, LIVE, 200),
        ("ana", NONE, Live("empty"), 503),
        ("ana", NONE, UNAVAILABLE, 503),
    ],
)
def test_whatever_one_of_both_knows_is_answered(
    user: str, profiles: Profiles, live: Live, status: int
) -> None:
    found = context_of(user, profiles, live)
    assert found.status == status
    if status != 200:
        assert found.body.keys() == {"detail"}
        return
    assert found.body == {
        "user_id": user,
        "as_of": profiles.day,
        "profile": OF_ANA if (user, profiles) == ("ana", KNOWN) else None,
        "live": live.sums,
        "live_status": live.status,
    }


@pytest.mark.parametrize(
    ("as_of", "days"),
    [
        (date(2026, 11, 28), ["2026-11-29"]),
        (date(2026, 11, 27), ["2026-11-28", "2026-11-29"]),
        (date(2026, 11, 1), ["2026-11-27", "2026-11-28", "2026-11-29"]),
        (None, ["2026-11-27", "2026-11-28", "2026-11-29"]),
        (date(2026, 11, 29), []),
        (date(2027, 1, 1), []),
    ],
)
def test_days_after_the_profile_are_asked_for_as_far_as_they_are_kept(
    as_of: date | None, days: list[str]
) -> None:
    assert days_since(as_of, date(2026, 11, 29), 3) == [date.fromisoformat(day) for day in days]


@pytest.mark.parametrize(
    ("accept", "is_plain"),
    [
        ([], False),
        (["*/*"], False),
        (["text/plain"], True),
        (["Text/Plain; charset=utf-8"], True),
        (["text/plain, */*;q=0.1"], True),
        (["application/json, text/plain, */*"], False),
        (["application/json;q=0.5", "text/plain"], True),
        (["application/json, text/plain;q=0.9"], False),
        (["text/plain;q=0"], False),
        (["text/plain;q=much"], False),
        (["text/*"], False),
    ],
)
def test_plain_text_is_for_who_names_it(accept: list[str], is_plain: bool) -> None:
    assert wants_plain_text(accept) is is_plain


def test_days_and_moments_are_told_as_iso_texts() -> None:
    assert as_json(date(2026, 11, 28)) == "2026-11-28"
    assert as_json(datetime(2026, 11, 28, 16, 5)) == "2026-11-28T16:05:00Z"
    assert as_json(datetime(2026, 11, 28, 16, 5, 0, 250_000)) == "2026-11-28T16:05:00.250000Z"
    with pytest.raises(TypeError, match="set has no form"):
        as_json(set())


def test_the_examples_are_of_what_is_answered() -> None:
    assert list(PROFILE) == [
        name for name in USER_PROFILES.polars_schema if name not in NEVER_SERVED
    ]
    assert CONTEXT["live"].keys() == {
        *SUMS,
        "first_event_at",
        "last_event_at",
        "conversation_id",
        "tool_name",
    }
    assert TODAY.keys() == {"date", USERS, *SUMS}
