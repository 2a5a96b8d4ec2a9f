"""What follows from the segments: recommendations, licences, return, and the dashboard."""

from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.segments.tables.labels import ALL, PRIORITIES, SEGMENTS
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Keep, Table

SEAT_APP: Final = "product"
SEAT_TIER: Final = "seat"
"""What the seats that a firm has bought are called among licences."""

DELIVERED_SEAT_TIER: Final = "seat (delivered)"
"""Tier of delivered licences that are called as the seats are."""


def _usd(description: str, *, nullable: bool = False, minimum: float | None = 0.0) -> dy.Float64:
    return dy.Float64(min=minimum, nullable=nullable, description=f"{description}, USD.")


def _usd_year(description: str, *, minimum: float | None = 0.0) -> dy.Float64:
    return _usd(f"{description} a year, estimated", minimum=minimum)


def _change(description: str) -> dy.Float64:
    return c.number(f"{description}; null without a base.", minimum=None)


class Recommendations(dy.Schema):
    """One row per (`date`, `user_id`, `rule_id`), Mondays: what would help a user, at most three.

    Of the catalogue's rules that hold, those of the highest priority, then with most hours, then
    in the order of `rule_id`.
    """

    date = c.day("The Monday.", key=True)
    user_id = c.text("User.", key=True)
    rule_id = c.text("Rule of the catalogue.", key=True)
    tenant_id = c.text("Tenant of the user.")
    segment = c.label("Published segment of the user.", SEGMENTS)
    category = c.text("Kind of the recommendation.")
    suggestion = c.text("What to do, in one sentence that the person concerned may read.")
    reasoning = c.text("Why: the rule's text with the user's figures.")
    estimated_time_savings_hours_month = dy.Float64(
        min=0, nullable=False, description="Hours a month that it saves, estimated."
    )
    priority = c.label("How much it matters.", PRIORITIES)
    implementation_cost_usd_year = _usd_year("What it costs")


class LicenseOpportunities(dy.Schema):
    """One row per (`date`, `tenant_id`, `app`, `tier`), Mondays: licences, and which lie idle.

    Delivered licences valid on the day, by the tenant of their holder (`unknown` without a score),
    and the seats that firms have bought, as app `product` and tier `seat`. A delivered licence
    that is called so too has the tier `seat (delivered)`. Costs are added up in whole millionths
    of a USD.
    """

    date = c.day("The Monday.", key=True)
    tenant_id = c.text("Tenant of the holders, or firm of the seats.", key=True)
    app = c.text("App; `product` for seats.", key=True)
    tier = c.text("Tier; `seat` for seats.", key=True)
    licenses = c.count("Licences, or the firm's seats.")
    unused = c.count(
        "Licences without a day of use in 90 days, or seats beyond the users with one; null if not "
        "measured.",
        nullable=True,
    )
    underused = c.count(
        "Licences, or users of seats, with 1 or 2 days of use in 90; null if not measured.",
        nullable=True,
    )
    new_licenses = c.count("Licences that began in the 90 days: neither unused nor underused.")
    casual_holders = c.count(
        "Licences, not new, of casual users; of seats the casual users of the tenant with an "
        "access of the product there in 90 days."
    )
    annual_cost_usd = _usd("Cost of all a year; null for a firm without seats", nullable=True)
    reclaimable_usd = _usd(
        "Cost of the unused a year; null if not measured or without seats", nullable=True
    )
    underused_usd = _usd(
        "Cost of the underused a year; null if not measured or without seats", nullable=True
    )
    casual_usd = _usd("Cost of `casual_holders` a year; null without seats", nullable=True)
    is_measured = c.flag(
        "Whether anybody, of any tenant, had an access of the app (seats: of a product app) in the "
        "90 days."
    )

    @dy.rule()
    def unmeasured_is_not_idle(cls) -> pl.Expr:
        """Idle licences are counted exactly where the app is measured."""
        is_told = pl.col("unused").is_not_null(), pl.col("underused").is_not_null()
        return (is_told[0] == pl.col("is_measured")) & (is_told[1] == pl.col("is_measured"))

    @dy.rule()
    def idle_ones_are_among_all(cls) -> pl.Expr:
        """There are no more unused and new licences than licences."""
        return pl.col("unused").fill_null(0) + pl.col("new_licenses") <= pl.col("licenses")


class RoiSummary(dy.Schema):
    """One row per (`date`, `tenant_id`), Mondays: what acting on the segments is worth a year.

    All of it is an estimate: by the hours and costs of the catalogue's rules, the value of an
    hour, and a fifth of the casual users made regular. It is added up in whole millionths.
    """

    date = c.day("The Monday.", key=True)
    tenant_id = c.text("Tenant, with a user in `user_segments`.", key=True)
    power_users = c.count("Power users.")
    power_hours_month = dy.Float64(
        min=0,
        nullable=False,
        description="Hours a month that what is recommended to power users saves, estimated.",
    )
    power_savings_usd_year = _usd_year("Value of these hours")
    power_cost_usd_year = _usd_year("Cost of what is recommended to power users")
    reclaimable_usd_year = _usd_year("Cost of unused licences and seats of measured apps")
    convertible_users = c.count("Casual users, neither dormant nor new.")
    conversion_usd_year = _usd_year("Value of making a fifth of these regular")
    conversion_cost_usd_year = _usd_year("Cost of what is recommended to these users")
    total_usd_year = _usd_year("The three gains together")
    net_usd_year = _usd_year("The gains less the two costs", minimum=None)


class SegmentationDashboard(dy.Schema):
    """One row per (`date`, `tenant_id`), and one of tenant `all`, Mondays: segments at a glance.

    The row `all` is of all tenants together; a tenant that is itself called `all` has no row of
    its own.
    """

    date = c.day("The Monday.", key=True)
    tenant_id = c.text(f"Tenant, or `{ALL}`.", key=True)
    users = c.count("Users.", minimum=1)
    active_users = c.count("Users with an access in 90 days.")
    power_users = c.count("Power users.")
    regular_users = c.count("Regular users.")
    casual_users = c.count("Casual users.")
    power_percent = c.percent("Power users of all users")
    regular_percent = c.percent("Regular users of all users")
    casual_percent = c.percent("Casual users of all users")
    dormant_users = c.count("Users without an access in 30 days.")
    sign_in_only_users = c.count("Users who only sign in: sub-segment `Sign-in Only`.")
    new_users = c.count("Users of less than 30 days: sub-segment `New`.")
    churn_high = c.count("Users whose churn risk is high.")
    churn_medium = c.count("Users whose churn risk is medium.")
    churn_low = c.count("Users whose churn risk is low.")
    churn_very_low = c.count("Users whose churn risk is very low.")
    churn_suppressed = c.count("Users whose churn risk a holiday or a shared dip has made low.")
    changed_users = c.count("Users with another segment than a week before.")
    changed_percent = c.percent("Changed users of the users with a segment a week before")
    power_to_casual_28d = c.count("Casual users who were power users 28 days before.")
    moved_up_28d = c.count("Users with a higher segment than 28 days before.")
    moved_down_28d = c.count("Users with a lower segment than 28 days before.")
    casual_percent_change_28d = _change(
        "`casual_percent` less that of 28 days before, percentage points"
    )
    needs_review_users = c.count("Users whose segment is told with little confidence.")
    mean_confidence = c.number("Mean confidence, 0 to 1.", maximum=1.0)
    mean_score = c.number(
        "Mean engagement score of active users, 0 to 1; null without any.", maximum=1.0
    )
    mean_score_change_28d_percent = _change("Change of `mean_score` in 28 days, percent")
    mean_score_change_364d_percent = _change("Change of `mean_score` in 364 days, percent")
    is_held_back = c.flag("Whether a mass change holds back the segments of any of the users.")
    reclaimable_usd_year = _usd_year("Cost of unused licences and seats of measured apps")
    total_usd_year = _usd_year("The gains of `roi_summary`")
    net_usd_year = _usd_year("The gains of `roi_summary` less its costs", minimum=None)


RECOMMENDATIONS: Final = Table(
    "segments.recommendations", Recommendations, "date", persons=("user_id",), keep=Keep(90)
)
LICENSE_OPPORTUNITIES: Final = Table("segments.license_opportunities", LicenseOpportunities, "date")
ROI_SUMMARY: Final = Table("segments.roi_summary", RoiSummary, "date")
SEGMENTATION_DASHBOARD: Final = Table(
    "segments.segmentation_dashboard", SegmentationDashboard, "date"
)

TABLES: Final = (RECOMMENDATIONS, LICENSE_OPPORTUNITIES, ROI_SUMMARY, SEGMENTATION_DASHBOARD)
