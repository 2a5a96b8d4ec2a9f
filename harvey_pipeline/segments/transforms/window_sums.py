"""The window of one day from sums that were made where the rows are.

Says the same as `trailing_windows`, which carries windows from day to day and so costs less where
many days are wanted.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.labels import MONTH_DAYS
from harvey_pipeline.segments.transforms.access_windows import (
    EARNEST_DAYS,
    EARNEST_SECONDS,
    PLACES,
    THIRDS,
    Names,
    Window,
)

_TEXTS: Final = ("devices", "locations")
_DATES: Final = tuple(f"dates_{third}" for third in THIRDS)
_EVENTS: Final = ("auth_successes", "auth_failures")
_OF_THIRDS: Final = ("accesses", "capped_accesses", "active_seconds")


@dataclass(frozen=True)
class WindowSums:
    """Sums of `segments.user_daily_access` over the window of a day.

    - `thirds`: one row per `user_id` and `third` (1 is the latest) with a row: `accesses`,
      `capped_accesses`, `active_seconds` (both cut by the limits of a day), `busiest_day_accesses`;
    - `uses`: one row per `user_id`, `tenant_id` and `app`: `accesses`, `active_seconds_<third>` (of
      rows with an access), `auth_successes`, `auth_failures`, `dates_<third>` (bit k is set if
      there was an access k days before the third's last day), `first_day`, `last_day` (of rows);
    - `earlier`: one row per `user_id` and `tenant_id` with a row before the window, of the 365 days
      that end on the day: `first_day`, `last_day`;
    - `texts`: the distinct `user_id`, `devices` and `locations` (lists).
    """

    thirds: pl.DataFrame
    uses: pl.DataFrame
    earlier: pl.DataFrame
    texts: pl.DataFrame


def window_of_sums(day: date, sums: WindowSums, names: Names) -> Window:
    """The window of a day; users, tenants and apps that are met are numbered."""
    uses, earlier, thirds, texts = (
        _numbered(rows, names) for rows in (sums.uses, sums.earlier, sums.thirds, sums.texts)
    )
    col = pl.col
    users = pl.DataFrame({"user": pl.int_range(len(names.users), dtype=pl.UInt32, eager=True)})
    places = _places(uses, earlier)
    counted = [
        _by_third(thirds),
        uses.group_by("user").agg(col(_EVENTS).sum(), col(_DATES).bitwise_or()),
        _apps(uses, names),
        *(_texts(texts.select("user", name)) for name in _TEXTS),
    ]
    for frame in counted:
        users = users.join(frame, on="user", how="left", maintain_order="left")
    users = users.with_columns(
        pl.all().exclude("is_seen", "top_app").fill_null(0), col("is_seen").fill_null(False)
    )
    users = users.join(
        places.group_by("user").agg(_number("first_day").min()),
        on="user",
        how="left",
        maintain_order="left",
    ).join(_tenants(places, names), on="user", how="left", maintain_order="left")
    return Window(day, users.drop("user"), _offered(uses, len(names.tenants)))


def _numbered(rows: pl.DataFrame, names: Names) -> pl.DataFrame:
    """Rows with numbers in place of the users, tenants and apps that they name."""
    numberings = {"user_id": names.users, "tenant_id": names.tenants, "app": names.apps}
    named = [name for name in numberings if name in rows.columns]
    numbers = [
        numberings[name].number(rows[name]).alias(name.removesuffix("_id")) for name in named
    ]
    return rows.drop(named).with_columns(numbers)


def _by_third(thirds: pl.DataFrame) -> pl.DataFrame:
    col = pl.col
    return thirds.group_by("user").agg(
        *(
            col(name).filter(col("third") == third).sum().alias(f"{name}_{third}")
            for third in THIRDS
            for name in _OF_THIRDS
        ),
        col("busiest_day_accesses").max(),
        is_seen=pl.lit(True),
    )


def _apps(uses: pl.DataFrame, names: Names) -> pl.DataFrame:
    """Of every user the apps with an access and those used in earnest, and the top app."""
    col, seconds = pl.col, [f"active_seconds_{third}" for third in THIRDS]
    # The app of the smallest name has the highest place, so that it wins ties.
    by_name = names.apps.keys.arg_sort(descending=True)
    place = by_name.arg_sort().cast(pl.Int64)
    of_apps = uses.filter(col("accesses") > 0)
    # But for users of several tenants, a user has one row for each app.
    if of_apps.select("user", "app").is_duplicated().any():
        of_apps = of_apps.group_by("user", "app").agg(
            col("accesses", *seconds).sum(), col(_DATES).bitwise_or()
        )
    days = pl.sum_horizontal(col(name).bitwise_count_ones().cast(pl.Int64) for name in _DATES)
    in_earnest = (days >= EARNEST_DAYS) & (pl.sum_horizontal(seconds) >= EARNEST_SECONDS)
    by_user = (
        of_apps.with_columns(place=place.gather(of_apps["app"]))
        .group_by("user")
        .agg(
            pl.len().cast(pl.Int64).alias("unique_apps"),
            in_earnest.sum().cast(pl.Int64).alias("earnest_apps"),
            *(
                # A second of use is one of a day with an access: one such day is there.
                (col(name) >= EARNEST_SECONDS // len(THIRDS))
                .sum()
                .cast(pl.Int64)
                .alias(f"earnest_apps_{third}")
                for third, name in zip(THIRDS, seconds, strict=True)
            ),
            (col("accesses") * PLACES + col("place")).max().alias("top"),
        )
    )
    top = by_user["top"]
    return by_user.drop("top").with_columns(
        by_name.gather(top % PLACES).cast(pl.Int64).alias("top_app"),
        (top // PLACES).alias("top_app_accesses"),
    )


def _texts(listed: pl.DataFrame) -> pl.DataFrame:
    """How many distinct texts of a kind each user has."""
    name = listed.columns[-1]
    texts = listed.filter(pl.col(name).list.len() > 0).explode(name).unique()
    return texts.group_by("user").agg(pl.len().cast(pl.Int64).alias(name))


def _places(uses: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """One row per user and tenant with a row of 365 days."""
    col = pl.col
    last_access = pl.when(col("accesses") > 0).then(_last_access())
    in_window = uses.select("user", "tenant", "accesses", "first_day", "last_day", ago=last_access)
    return (
        pl.concat(
            [
                in_window,
                earlier.with_columns(
                    accesses=pl.lit(0, dtype=pl.Int64), ago=pl.lit(None, dtype=pl.Int64)
                ),
            ],
            how="diagonal",
        )
        .group_by("user", "tenant")
        .agg(
            col("accesses").sum(),
            col("ago").min(),
            col("first_day").min(),
            col("last_day").max(),
        )
    )


def _last_access() -> pl.Expr:
    """Days from the last access to the day; meant for rows with one."""
    since: pl.Expr = pl.lit(None, dtype=pl.Int64)
    for place, name in reversed([*enumerate(_DATES)]):
        days = pl.col(name).bitwise_trailing_zeros().cast(pl.Int64) + place * MONTH_DAYS
        since = pl.when(pl.col(name) != 0).then(days).otherwise(since)
    return since


def _tenants(places: pl.DataFrame, names: Names) -> pl.DataFrame:
    """The tenant of each user's most accesses in the window, else of the latest row of 365 days."""
    by_name = names.tenants.keys.arg_sort().arg_sort()
    col = pl.col
    # Of tenants with equal accesses, either all have an access or none has.
    last_day = pl.when(col("accesses") > 0).then(-col("ago")).otherwise(_number("last_day"))
    return (
        places.with_columns(name=by_name.gather(places["tenant"]))
        .sort("accesses", last_day, "name", descending=[True, True, False])
        .unique("user", keep="first", maintain_order=True)
        .select("user", col("tenant").cast(pl.Int64))
    )


def _number(name: str) -> pl.Expr:
    """The number of a day, since 1970."""
    return pl.col(name).to_physical()


def _offered(uses: pl.DataFrame, tenants: int) -> pl.Series:
    """How many distinct apps were accessed in each tenant in the window, by the tenants' number."""
    offers = uses.filter(pl.col("accesses") > 0).select("tenant", "app").unique()
    counts = offers["tenant"].value_counts()
    zeros = pl.repeat(0, tenants, dtype=pl.Int64, eager=True)
    return zeros.scatter(counts["tenant"], counts["count"].cast(pl.Int64))
