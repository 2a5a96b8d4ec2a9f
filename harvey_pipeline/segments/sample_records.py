"""What the people of the synthetic drops do, day by day: sign-ins, labels, an experiment."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from harvey_pipeline.segments.sample_people import (
    LEAVER,
    OTHER,
    PLAYER,
    SLEEPER,
    STEADY,
    app_at,
    city_of,
)
from harvey_pipeline.segments.sample_spec import SampleSpec
from harvey_pipeline.synthetic import Dice

_SATURDAY: Final = 5
_WEEK: Final = 7
_WEEKEND_PERCENT: Final = 25
_DIP_PERCENT: Final = 15
"""Of the usual attendance, in the week in which all but a few are away."""

_DIP_FROM, _LEAVES, _SLEEPS, _WAKES = 35, 57, 22, 72
"""Percent of the range: from where on the next Monday begins the dip, and when parts change."""

_LATE_PERCENT: Final = 2
_MINUTES_KNOWN_PERCENT: Final = 40
_EVENTS_OF_ROLE: Final = {PLAYER: 3, LEAVER: 5, SLEEPER: 4, STEADY: 5}
"""Accesses of a day."""

_HABITS: Final = ("number", "user_id", "firm", "firm_id", "role", "apps", "device")
"""What is asked of the user of an event."""

_OUTCOMES: Final = ((95, "SUCCESS"), (5, "FAILURE"))
# (share, hour) over a working day, UTC.
_HOURS: Final = tuple(zip((6, 9, 9, 8, 5, 7, 9, 9, 7, 3), range(8, 18), strict=True))

_KIND: Final = "advanced training"
_OTHER_KIND: Final = "onboarding call"
_STARTS_FROM_DAY: Final = 8
"""After the first Monday's score, with which what came of it is compared."""
_SURVEYED_AFTER_DAYS: Final = 44
_ANSWERING_PERCENT: Final = 70

_LABELS: Final = ((12, "power"), (38, "regular user"), (40, "Casual"), (10, "review"))
_LABELLERS: Final = ((3, "it-lead"), (1, ""))


def first_day_of_dip(spec: SampleSpec) -> int | None:
    """The number of the Monday on which the week of the dip begins; ranges below 28 days have none.

    It would be the larger part of them.
    """
    if spec.days < 4 * _WEEK:
        return None
    number = spec.days * _DIP_FROM // 100
    return number + (-spec.day(number).weekday()) % _WEEK


# --- sign-ins ------------------------------------------------------------------------------------


def sso_events(spec: SampleSpec, who: pl.DataFrame, number: int) -> pl.DataFrame:
    """One row per event of a day, by time, as text; `is_late`: it comes with the next day's drop.

    Nothing comes after the last day: none of it is late.
    """
    actors = _actors(spec, who, number)
    dice = Dice(spec.seed, actors.height, number)
    moment = pl.lit(spec.day(number)).cast(pl.Datetime("us")) + pl.duration(seconds="second")
    place = pl.min_horizontal("one", "other")
    is_sign_in = (pl.col("kind") < 12) & (pl.col("role") == OTHER)
    is_timed = (pl.col("timed") < _MINUTES_KNOWN_PERCENT) | (pl.col("role") != OTHER)
    minutes = (
        pl.when(pl.col("role") == PLAYER)
        .then(pl.lit(1, pl.Int64))
        .when(pl.col("role") != OTHER)
        .then(10 + pl.col("minutes") // 2)
        .otherwise(pl.col("minutes") + 1)
    )
    day = spec.day(number)
    app = app_at(pl.col("number") + pl.when(pl.col("turn") >= 0).then("turn").otherwise(place))
    return (
        actors.with_columns(
            # Each of two draws below the number of apps: the first apps are used most.
            one=dice.roll("app", 1 << 20) * actors["apps"] // (1 << 20),
            other=dice.roll("other app", 1 << 20) * actors["apps"] // (1 << 20),
            second=dice.pick("hour", _HOURS) * 3600 + dice.roll("second", 3600),
            kind=dice.roll("kind", 100),
            outcome=dice.word("outcome", _OUTCOMES),
            timed=dice.roll("timed", 100),
            minutes=dice.roll("minutes", 45),
            away=dice.roll("away", 100),
            is_late=dice.roll("late", 100) < (_LATE_PERCENT if number < spec.days - 1 else 0),
        )
        .sort("second", maintain_order=True)
        .select(
            event_id=pl.format(f"s{day:%y%m%d}-{{}}", pl.int_range(1, pl.len() + 1)),
            published=moment.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            tenant_id="firm_id",
            actor_id="user_id",
            outcome="outcome",
            target_id=pl.when(is_sign_in).then(pl.lit("")).otherwise(app),
            event_type=pl.when(is_sign_in).then(pl.lit("session start")).otherwise(pl.lit("sso")),
            session_minutes=pl.when(is_timed & ~is_sign_in)
            .then(minutes.cast(pl.String))
            .otherwise(pl.lit("")),
            device=pl.when(pl.col("away") < 15).then(pl.lit("iPhone")).otherwise("device"),
            location=city_of(pl.col("firm") + (pl.col("away") < 6).cast(pl.Int64)),
            is_late="is_late",
        )
    )


def _actors(spec: SampleSpec, who: pl.DataFrame, number: int) -> pl.DataFrame:
    """One row per event of a day: its user, and of a part the `turn` of the app (others: -1).

    First it is drawn who comes at all, then whose each event is: on how many days people are
    there hardly depends on how many events there are.
    """
    percent = _attendance_percent(spec, number)
    comes = Dice(spec.seed, who.height, number).roll("sso comes", 100_000)
    is_here = pl.lit(comes) < pl.col("attendance") * percent
    others = who.filter("is_on_sso", is_here, pl.col("role") == OTHER)
    week = 5 * 100 + 2 * _WEEKEND_PERCENT
    wanted = _WEEK * spec.sso_events * percent // week if others.height else 0
    reach = others["weight"].cum_sum()
    drawn = Dice(spec.seed, wanted, number).roll("sso whose", int(reach[-1]) if wanted else 1)
    rows = others.select(_HABITS)[reach.search_sorted(drawn, "right")]
    rows = rows.with_columns(turn=pl.lit(-1, pl.Int64))
    # A part keeps to its plan, but for weekends and the dip.
    busy = _roles_at_work(spec, number) if percent == 100 else []
    parts = (
        who.select(_HABITS)
        .filter(pl.col("role").is_in(busy))
        .with_columns(turn=pl.int_ranges(pl.col("role").replace_strict(_EVENTS_OF_ROLE, default=0)))
    )
    # Another app each day: what is opened for the count's sake is opened once.
    shift = pl.when(pl.col("role") == PLAYER).then(3 * number).otherwise(0)
    return pl.concat([parts.explode("turn").with_columns(pl.col("turn") + shift), rows])


def _attendance_percent(spec: SampleSpec, number: int) -> int:
    dip = first_day_of_dip(spec)
    if dip is not None and dip <= number < dip + _WEEK:
        return _DIP_PERCENT
    return _WEEKEND_PERCENT if spec.day(number).weekday() >= _SATURDAY else 100


def _roles_at_work(spec: SampleSpec, number: int) -> Sequence[str]:
    part = 100 * number // spec.days
    at_work = {
        PLAYER: True,
        LEAVER: part < _LEAVES,
        SLEEPER: part < _SLEEPS or part >= _WAKES,
        STEADY: True,
    }
    return [role for role, is_busy in at_work.items() if is_busy]


# --- labels --------------------------------------------------------------------------------------


def labels(spec: SampleSpec, who: pl.DataFrame, number: int) -> pl.DataFrame:
    """What is handed in on a Monday: labels of the week before it; on other days none."""
    here, before = _labels_until(spec, number), _labels_until(spec, number - _WEEK)
    is_due = spec.day(number).weekday() == 0
    rows = here - before if is_due else 0
    # With a large prime as stride nobody is labelled twice before everybody is once.
    chosen = [7919 * label % spec.users for label in range(before, before + rows)]
    dice = Dice(spec.seed, rows, number)
    day = pl.max_horizontal(pl.lit(spec.start), pl.lit(spec.day(number)) - pl.duration(days="ago"))
    return (
        who[chosen]
        .with_columns(
            ago=dice.roll("label ago", _WEEK),
            label=dice.word("label", _LABELS),
            by=dice.word("labeller", _LABELLERS),
        )
        .select("user_id", "label", labelled_on=day.cast(pl.String), labelled_by="by")
    )


def _labels_until(spec: SampleSpec, number: int) -> int:
    """How many labels are handed in on the Mondays up to a day, as many on each."""
    mondays = _mondays_until(spec, spec.days - 1)
    return spec.labels * _mondays_until(spec, number) // mondays if mondays else 0


def _mondays_until(spec: SampleSpec, number: int) -> int:
    first = (-spec.start.weekday()) % _WEEK
    return max(0, (number - first) // _WEEK + 1)


# --- the experiment ------------------------------------------------------------------------------


def interventions(spec: SampleSpec, who: pl.DataFrame, number: int) -> pl.DataFrame:
    """What a day's drop delivers: starts of the day, and surveys of earlier starts."""
    today = _starts(spec, who, number).with_columns(
        satisfaction=pl.lit(""), reported_hours_saved=pl.lit("")
    )
    then = number - _SURVEYED_AFTER_DAYS
    starts = _starts(spec, who, then)
    dice = Dice(spec.seed, starts.height, then)
    bonus = pl.when(pl.col("group") == "treatment").then(1).otherwise(0)
    surveys = starts.with_columns(
        answers=dice.roll("answers", 100),
        satisfaction=dice.roll("satisfaction", 3),
        hours=dice.roll("hours", 80),
    ).filter(pl.col("answers") < _ANSWERING_PERCENT)
    surveys = surveys.select(
        *starts.columns,
        satisfaction=(2 + pl.col("satisfaction") + bonus).cast(pl.String),
        reported_hours_saved=pl.format(
            "{}.{}", pl.col("hours") // 20 + 3 * bonus, pl.col("hours") % 10
        ),
    )
    return pl.concat([today, surveys])


def _starts(spec: SampleSpec, who: pl.DataFrame, number: int) -> pl.DataFrame:
    """Starts of a day: on two days all of the experiment, one by one in one group and the other.

    The first user gets something else too a day later, in the other group.
    """
    turn = number - _STARTS_FROM_DAY
    if turn not in (0, 1):
        return _start_rows(spec, who[:0], 0, _KIND)
    half = (spec.starts + 1) // 2
    chosen = range(half) if turn == 0 else range(half, spec.starts)
    rows = who[[place * spec.users // spec.starts for place in chosen]]
    given = _start_rows(spec, rows, number, _KIND)
    if turn == 1:
        other = _start_rows(spec, who[:1], number, _OTHER_KIND)
        given = pl.concat([given, other.with_columns(group=pl.lit("control"))])
    return given


def _start_rows(spec: SampleSpec, rows: pl.DataFrame, number: int, kind: str) -> pl.DataFrame:
    is_treated = pl.int_range(pl.len()) % 2 == 0
    return rows.select(
        "user_id",
        started_on=pl.lit(str(spec.start + timedelta(days=number))),
        kind=pl.lit(kind),
        group=pl.when(is_treated).then(pl.lit("treatment")).otherwise(pl.lit("control")),
    )
