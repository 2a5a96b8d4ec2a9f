"""Who works for whom, who holds which licence, what people say, and each day's use of apps."""

from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.history import OPEN_END
from harvey_pipeline.segments.tables.labels import GROUPS, LABELS, PRODUCT_APPS, SIGN_IN
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Keep, Table

MOST_VALUES: Final = 20
"""Devices, and locations, that are kept of a row."""


class DimEmployee(dy.Schema):
    """One row per (`user_id`, `effective_start_date`): an employee's versions (SCD type 2)."""

    employee_dim_key = c.text("Surrogate key: `<user_id>_<effective_start_date as YYYYMMDD>`.")
    user_id = c.text("User.", key=True)
    manager_id = c.text("User who is the manager in this version.", nullable=True)
    department = c.text("Department in this version.", nullable=True)
    email = c.text("E-mail address in this version, in lower case.", nullable=True)
    name = c.text("Name in this version.", nullable=True)
    tenant_id = c.text("Tenant (a firm) in this version.", nullable=True)
    effective_start_date = c.day("First day of the version.", key=True)
    effective_end_date = c.day("Last day of the version, inclusive; 9999-12-31 while open.")
    is_current = c.flag("Whether the version is still open.")

    @dy.rule()
    def starts_before_it_ends(cls) -> pl.Expr:
        """No version ends before it starts."""
        return pl.col("effective_start_date") <= pl.col("effective_end_date")

    @dy.rule()
    def current_exactly_while_open(cls) -> pl.Expr:
        """`is_current` is true exactly where `effective_end_date` is 9999-12-31."""
        return pl.col("is_current") == (pl.col("effective_end_date") == OPEN_END)


class DimLicense(dy.Schema):
    """One row per (`user_id`, `app`, `effective_start_date`): a licence's versions (SCD type 2)."""

    license_dim_key = c.text("Surrogate key: `<user_id>_<app>_<effective_start_date as YYYYMMDD>`.")
    user_id = c.text("Holder.", key=True)
    app = c.text("App, in lower case.", key=True)
    tier = c.text("Tier in this version, in lower case; `standard` where not told.")
    annual_cost_usd = dy.Float64(
        min=0, nullable=False, description="Cost in this version, USD a year."
    )
    effective_start_date = c.day("First day of the version.", key=True)
    effective_end_date = c.day("Last day of the version, inclusive; 9999-12-31 while open.")
    is_current = c.flag("Whether the version is still open.")

    @dy.rule()
    def starts_before_it_ends(cls) -> pl.Expr:
        """No version ends before it starts."""
        return pl.col("effective_start_date") <= pl.col("effective_end_date")

    @dy.rule()
    def current_exactly_while_open(cls) -> pl.Expr:
        """`is_current` is true exactly where `effective_end_date` is 9999-12-31."""
        return pl.col("is_current") == (pl.col("effective_end_date") == OPEN_END)


class Labels(dy.Schema):
    """One row per (`date`, `user_id`, `labelled_by`): what people call a user, as told last."""

    date = c.day("Day of `labelled_on`, UTC, whichever drop brought it.", key=True)
    user_id = c.text("User who is labelled.", key=True)
    labelled_by = c.text("Who gave the label; the empty text where not told.", key=True)
    label = c.label("The label; `review` is a wish that someone looks, and no truth.", LABELS)


class InterventionStarts(dy.Schema):
    """One row per (`date`, `user_id`, `kind`): starts of interventions, as told last."""

    date = c.day("Day of `started_on`, UTC, whichever drop brought it.", key=True)
    user_id = c.text("User whom it is for.", key=True)
    kind = c.text("What is done, in lower case.", key=True)
    group = c.label("Whether the user gets it, or is compared with those who do.", GROUPS)
    satisfaction = dy.Float64(
        min=1, max=5, nullable=True, description="The user's satisfaction, 1 to 5; null if unknown."
    )
    reported_hours_saved = dy.Float64(
        min=0,
        max=744,
        nullable=True,
        description="Hours saved a month, as the user reports; null if unknown.",
    )


class UserDailyAccess(dy.Schema):
    """One row per (`date`, `tenant_id`, `user_id`, `app`) with a use or a sign-in that day."""

    date = c.day("The events' own date, UTC, whichever drop brought them.", key=True)
    tenant_id = c.text("Tenant: the firm for which the user worked.", key=True)
    user_id = c.text("User.", key=True)
    app = c.text(
        "App: `assistant`, `vault` and `workflow` are the product's own, `sign_in` stands for "
        "sign-ins, which are no use of an app.",
        key=True,
    )
    accesses = c.count("Uses of the app: queries of the product, successful sign-ins to others.")
    active_seconds = c.count(
        "Time of use, seconds: sessions that were timed as long as they were; of n other accesses "
        "with s seconds from first to last max(120 n, min(s, 900 (n - 1)))."
    )
    auth_successes = c.count("Successful sign-ins, those to the app included.")
    auth_failures = c.count("Failed sign-ins.")
    devices = dy.List(
        dy.String(nullable=False),
        nullable=False,
        description=f"Distinct devices of its sign-ins, ordered, the first {MOST_VALUES}.",
    )
    locations = dy.List(
        dy.String(nullable=False),
        nullable=False,
        description=f"Distinct locations of its sign-ins, ordered, the first {MOST_VALUES}.",
    )

    @dy.rule()
    def holds_something(cls) -> pl.Expr:
        """A row has an access or a sign-in."""
        return pl.sum_horizontal("accesses", "auth_successes", "auth_failures") > 0

    @dy.rule()
    def sign_ins_are_no_accesses(cls) -> pl.Expr:
        """Of `sign_in` there are neither accesses nor active seconds."""
        return (pl.col("app") != SIGN_IN) | (
            (pl.col("accesses") == 0) & (pl.col("active_seconds") == 0)
        )

    @dy.rule()
    def accesses_are_authorised(cls) -> pl.Expr:
        """Of other apps than the product's own every access is a successful sign-in to them."""
        of_product = pl.col("app").is_in(PRODUCT_APPS)
        of_others = (pl.col("app") == SIGN_IN) | (pl.col("accesses") == pl.col("auth_successes"))
        has_no_sign_in = (pl.col("auth_successes") == 0) & (pl.col("auth_failures") == 0)
        return pl.when(of_product).then(has_no_sign_in).otherwise(of_others)

    @dy.rule()
    def lists_are_short(cls) -> pl.Expr:
        """No more devices, and no more locations, than are kept, and than there are sign-ins."""
        most = pl.min_horizontal(
            pl.lit(MOST_VALUES), pl.col("auth_successes") + pl.col("auth_failures")
        )
        return (pl.col("devices").list.len() <= most) & (pl.col("locations").list.len() <= most)


DIM_EMPLOYEE: Final = Table(
    "segments.dim_employee", DimEmployee, persons=("user_id", "manager_id", "email")
)
DIM_LICENSE: Final = Table("segments.dim_license", DimLicense, persons=("user_id",))
LABELS_TABLE: Final = Table(
    "segments.labels", Labels, "date", persons=("user_id", "labelled_by"), keep=Keep(365)
)
INTERVENTION_STARTS: Final = Table(
    "segments.intervention_starts", InterventionStarts, "date", persons=("user_id",)
)
USER_DAILY_ACCESS: Final = Table(
    "segments.user_daily_access", UserDailyAccess, "date", persons=("user_id",), keep=Keep(400)
)

TABLES: Final = (
    DIM_EMPLOYEE,
    DIM_LICENSE,
    LABELS_TABLE,
    INTERVENTION_STARTS,
    USER_DAILY_ACCESS,
)
