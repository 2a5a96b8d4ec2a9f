"""The people of the synthetic drops: when they sign up, how much they talk, what they may use."""

from typing import Final

import polars as pl

from harvey_pipeline.conversations.sample_spec import SampleSpec, dice_of

_HERE_BEFORE_PERCENT: Final = 60
"""Of the people, those whose accounts are older than the first day."""

_OLDEST_DAYS: Final = 200
_LEAVING_PERCENT: Final = 30
_LAST_SIGN_UP_SECOND: Final = 20 * 3_600
_WEEK: Final = 7
_STAY_DAYS: Final = 21
"""Who leaves does so within so many days."""

_WEIGHTS: Final = (1, 2, 4, 12)
_WEIGHT_SHARES: Final = (30, 35, 25, 10)
"""How much people talk: few do by far the most."""

_LIMITS: Final = ("", "20", "50", "500")
_LIMIT_SHARES: Final = (70, 15, 10, 5)
_RAISED_LIMIT: Final = "200"
_NAMES: Final = ("ana", "ben", "chen", "dora", "emre", "femi", "gita", "hugo", "ines", "jun")


def people(spec: SampleSpec) -> pl.DataFrame:
    """One row per person, by `number`: `joined` and `leaves` are numbers of days.

    `second` is the second of the day at which the account is made.
    Ids are those that plain users of the landing folder's synthetic users have.
    """
    dice = dice_of(spec, spec.people)
    number = pl.int_range(spec.people, eager=True)
    # Away from the first ones, whose ids are odd.
    user = (number * spec.users + spec.users // 2) // spec.people
    joined = _monday_until(spec, dice.roll("joined", spec.days)).zip_with(
        dice.roll("is here", 100) >= _HERE_BEFORE_PERCENT, -1 - dice.roll("before", _OLDEST_DAYS)
    )
    stays = dice.roll("stays", _STAY_DAYS) + joined.clip(lower_bound=0)
    never = pl.repeat(spec.days, spec.people, dtype=pl.Int64, eager=True)
    return pl.DataFrame(
        {
            "number": number,
            "user_id": "user-" + (user + 1).cast(pl.String).str.zfill(len(str(spec.users))),
            "name": pl.Series(_NAMES).gather(number % len(_NAMES)),
            "joined": joined,
            "leaves": stays.zip_with(dice.roll("is leaving", 100) < _LEAVING_PERCENT, never),
            "weight": pl.Series(_WEIGHTS).gather(dice.place("weight", _WEIGHT_SHARES)),
            "credit_limit": pl.Series(_LIMITS).gather(dice.place("limit", _LIMIT_SHARES)),
            "second": dice.roll("second", _LAST_SIGN_UP_SECOND),
        }
    )


def _monday_until(spec: SampleSpec, number: pl.Series) -> pl.Series:
    """The last Monday up to each day, or the first day: then people are let in."""
    return (number - (number + spec.start.weekday()) % _WEEK).clip(lower_bound=0)


def is_delivered(spec: SampleSpec, number: int) -> bool:
    """Whether a day has a snapshot: the first one, and those on which people are let in."""
    return number == 0 or spec.day(number).weekday() == 0


def accounts(spec: SampleSpec, who: pl.DataFrame, number: int) -> pl.DataFrame:
    """The snapshot of a day, as text: in the middle limits are raised and one address changes."""
    is_later = number >= spec.days // 2
    has_gone = (pl.col("number") == 1) & (number >= spec.days * 3 // 4)
    moment = pl.lit(spec.start).cast(pl.Datetime("us")) + pl.duration(
        days="joined", seconds="second"
    )
    domain = pl.when((pl.col("number") == 2) & is_later).then(pl.lit("example.org"))
    is_raised = (pl.col("credit_limit") == "20") & (pl.col("number") % 2 == 0) & is_later
    return who.filter(pl.col("joined") <= number, ~has_gone).select(
        "user_id",
        email=pl.format("{}.{}@{}", "name", "number", domain.otherwise(pl.lit("example.com"))),
        created=moment.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        credit_limit=pl.when(is_raised).then(pl.lit(_RAISED_LIMIT)).otherwise("credit_limit"),
    )
