"""The people of the synthetic drops: who they are, whom they report to, which apps they hold."""

from typing import Final

import polars as pl

from harvey_pipeline.segments.sample_spec import SampleSpec
from harvey_pipeline.synthetic import Dice

PLAYER, LEAVER, SLEEPER, STEADY, OTHER = "player", "leaver", "sleeper", "steady", ""
"""Parts: opens many apps for the count's sake, stops for good, pauses, works every day."""

_ROLES: Final = (PLAYER, LEAVER, SLEEPER, STEADY, STEADY)

_APPS_OF_ROLE: Final = {PLAYER: 8, LEAVER: 4, SLEEPER: 4, STEADY: 5}

# How users and firms of the landing folder are numbered, named and matched.
_PARTS: Final = 11
_UNICODE, _QUOTED, _AT_UNLISTED_FIRM, _ODD_FIRM = 4, 5, (9, 10), 2
_ATTENDANCE: Final = ((40, 960), (60, 700), (130, 380), (360, 130), (240, 25), (170, 0))

# (share, attendance): on how many of 1,000 weekdays they sign in to other apps.
_SSO_ATTENDANCE: Final = ((2, 950), (3, 700), (3, 400), (2, 120))
_DEPARTMENTS: Final = ("Litigation", "Corporate", "Tax", "Real Estate", "Employment")
_OPERATIONS: Final = "Operations"
_FIRST_NAMES: Final = ("Ana", "Ben", "Chen", "Dora", "Emre", "Femi", "Gita", "Hugo", "Ines", "Jun")
_LAST_NAMES: Final = ("Adler", "Brook", "Costa", "Diaz", "Ek", "Fox", "Greco", "Hahn", "Ito")
_TEAM: Final = 8
"""People to one manager of the lower level."""

APPS: Final = (
    "docs",
    "research",
    "drive",
    "time tracking",
    "crm",
    "e-sign",
    "billing",
    "translation",
)
_COSTS_USD: Final = (180, 2_400, 120, 240, 960, 300, 600, 450)
NOT_CONNECTED: Final = "expert search"
"""Licensed, and used by nobody: an app that sends no sign-ins."""

_CITIES: Final = ("Boston", "Chicago", "London", "Frankfurt", "Toronto")
_DEVICES: Final = ("Windows", "macOS", "ChromeOS")


def people(spec: SampleSpec) -> pl.DataFrame:
    """One row per user, by `number`, with the ids that users and firms of the sample have.

    `role` is the user's part, `is_on_sso` whether any other app is signed in to, `apps` of how
    many, `manager_id` null at the top of a firm.
    """
    dice = Dice(spec.seed, spec.users)
    sizes = [(1_000_000 // (index + 3), index) for index in range(spec.firms)]
    number = pl.int_range(spec.users, eager=True)
    firm = dice.pick("firm", sizes)
    is_part = number < _PARTS
    frame = pl.DataFrame(
        {
            "number": number,
            "firm": (number % min(2, spec.firms)).zip_with(is_part, firm),
            "product_attendance": dice.pick("habit", _ATTENDANCE).scatter(
                pl.arg_where(is_part, eager=True), 500
            ),
            "attendance": dice.pick("sso habit", _SSO_ATTENDANCE),
            "weight": 40 + dice.roll("sso weight", 61),
            "apps": 1 + dice.roll("sso apps", len(APPS)),
            "first_name": dice.word("first name", [(1, name) for name in _FIRST_NAMES]),
            "last_name": dice.word("last name", [(1, name) for name in _LAST_NAMES]),
            "department": dice.word("department", [(1, name) for name in _DEPARTMENTS]),
            "device": dice.word("device", [(1, name) for name in _DEVICES]),
        }
    )
    if spec.dirty > 0:
        at_unlisted = [user for user in _AT_UNLISTED_FIRM if user < spec.users]
        frame = frame.with_columns(frame["firm"].scatter(at_unlisted, spec.firms))
    ids = frame.select(
        "number",
        user_id=_named("user", "number", spec.users, _odd_users(spec)),
        firm_id=_named("firm", "firm", spec.firms, _odd_firms(spec)),
    )
    frame = frame.join(ids, on="number", how="left", maintain_order="left")
    return _with_managers(_with_roles(frame, spec))


def _odd_users(spec: SampleSpec) -> dict[int, str]:
    return {_UNICODE: "user-Zoë-Ł-愛", _QUOTED: 'user-"Bo", Esq.'} if spec.dirty > 0 else {}


def _odd_firms(spec: SampleSpec) -> dict[int, str]:
    if not spec.dirty:
        return {}
    return {_ODD_FIRM: "x'); drop table y;--", spec.firms: "firm-unlisted"}


def _named(prefix: str, number: str, count: int, odd: dict[int, str]) -> pl.Expr:
    plain = pl.format(
        f"{prefix}-{{}}", (pl.col(number) + 1).cast(pl.String).str.zfill(_width(count))
    )
    return (
        pl.col(number).replace_strict(odd, default=plain, return_dtype=pl.String) if odd else plain
    )


def _width(count: int) -> int:
    return len(str(count))


def _with_roles(frame: pl.DataFrame, spec: SampleSpec) -> pl.DataFrame:
    """Parts go to those who hardly use the product, so that other apps alone tell of them."""
    idle = frame.filter(pl.col("number") >= _PARTS).sort("product_attendance", "number")
    roles = dict(zip(idle["number"].to_list(), _ROLES, strict=False))
    number = pl.col("number")
    is_chosen = (number + 1) * spec.sso_users // spec.users > number * spec.sso_users // spec.users
    role = number.replace_strict(roles, default=OTHER, return_dtype=pl.String)
    return frame.with_columns(role=role).with_columns(
        is_on_sso=is_chosen | (pl.col("role") != OTHER),
        apps=pl.col("role").replace_strict(_APPS_OF_ROLE, default=pl.col("apps")),
    )


def _with_managers(frame: pl.DataFrame) -> pl.DataFrame:
    """A firm's first user leads those after, each of whom leads a team; `team` is its number."""
    rank = pl.int_range(pl.len()).over("firm")
    leads = (pl.len().over("firm") - 1 + _TEAM) // (_TEAM + 1)
    frame = frame.with_columns(rank=rank, leads=leads)
    number, leads = pl.col("rank"), pl.col("leads")
    frame = frame.with_columns(
        manager_rank=pl.when(number == 0)
        .then(None)
        .when(number <= leads)
        .then(0)
        .otherwise(1 + number % pl.max_horizontal(leads, 1)),
        department=pl.when(number == 0).then(pl.lit(_OPERATIONS)).otherwise("department"),
    )
    managers = frame.select("firm", manager_rank="rank", manager_id="user_id")
    return frame.join(managers, on=["firm", "manager_rank"], how="left", maintain_order="left")


def employees(spec: SampleSpec, who: pl.DataFrame, number: int) -> pl.DataFrame:
    """The snapshot of a day: one moves to another team in the middle, some are on no list."""
    user, below = pl.col("number"), pl.col("rank") - pl.col("leads")
    has_moved = (pl.col("firm") == 0) & (below == 2) & (number >= spec.days // 2)
    has_gone = (pl.col("firm") == 0) & (below == 3) & (number >= spec.days * 2 // 3)
    # Of one in ten the list does not say for which firm they work.
    tenant = pl.when(user % 10 != 7).then("firm_id").otherwise(pl.lit(""))
    return who.filter(user % 40 != 39, ~has_gone).select(
        "user_id",
        manager_id=pl.when(has_moved)
        .then(pl.col("user_id").first().over("firm"))
        .otherwise("manager_id")
        .fill_null(""),
        department=pl.when(has_moved).then(pl.lit(_OPERATIONS)).otherwise("department"),
        email=pl.format("{}.{}@example.com", pl.col("first_name").str.to_lowercase(), user + 1),
        name=pl.format("{} {}", "first_name", "last_name"),
        tenant_id=tenant,
    )


def licenses(spec: SampleSpec, who: pl.DataFrame, number: int) -> pl.DataFrame:
    """The snapshot of a day: what is used, what lies idle, what came later, what was given back."""
    user = pl.col("number")
    held = [
        # More than is used: whoever signs in holds one app more than those signed in to.
        (app, cost, pl.col("is_on_sso") & ((place - user) % len(APPS) <= pl.col("apps")))
        for place, (app, cost) in enumerate(zip(APPS, _COSTS_USD, strict=True))
    ]
    # Bought for people who sign in to nothing, and for an app that reports nothing.
    held.append(("research", _COSTS_USD[1], ~pl.col("is_on_sso") & (user % 9 == 4)))
    held.append((NOT_CONNECTED, 1_800, user % 15 == 6))
    is_yet_to_come = (user % 30 == 12) & (number < spec.days * 45 // 100)
    was_given_back = (user % 30 == 21) & (number >= spec.days * 70 // 100)
    there = who.filter(~is_yet_to_come, ~was_given_back)
    is_premium = (user % 3 == 0) | ((user % 3 == 1) & (number >= spec.days // 2))
    return pl.concat(
        there.filter(condition).select(
            "user_id",
            app=pl.lit(app),
            annual_cost_usd=pl.lit(str(cost)),
            tier=pl.when(is_premium & (pl.lit(cost) >= 600))
            .then(pl.lit("premium"))
            .otherwise(pl.lit("")),
        )
        for app, cost, condition in held
    )


def city_of(user: pl.Expr) -> pl.Expr:
    """Where somebody works who is not away."""
    return pl.lit(pl.Series(_CITIES)).gather(user % len(_CITIES))


def app_at(place: pl.Expr) -> pl.Expr:
    """An app by its place, counted on from the last to the first."""
    return pl.lit(pl.Series(APPS)).gather(place % len(APPS))
