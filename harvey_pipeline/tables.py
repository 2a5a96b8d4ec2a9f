"""Every table, once: columns, types, keys, allowed values, rules and descriptions.

A schema's docstring is the table's description and opens with its grain. From these schemas come
the DuckDB tables and their comments, Dagster's column metadata, the contract checks, and the
tests' frames. Rules that span tables live in `checks.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import dataframely as dy
import polars as pl

OPEN_END: Final = date(9999, 12, 31)
"""`effective_end_date` of a version that is still valid."""

WINDOW_DAYS: Final = 30
"""Length of the trailing window of every mart, in days, its own day included."""

Source = Literal["users", "firms", "events"]
SOURCES: Final[tuple[Source, ...]] = ("users", "firms", "events")

RAW_TABLES: Final[Mapping[Source, str]] = {
    "users": "raw.raw_users",
    "firms": "raw.raw_firms",
    "events": "raw.raw_events",
}

TITLES: Final = ("Associate", "Junior Associate", "Senior Associate", "Partner")
EVENT_TYPES: Final = ("ASSISTANT", "VAULT", "WORKFLOW")

TENURE_BANDS: Final = ("0-1 months", "1-3 months", "3-6 months", "6-12 months", "12+ months")
POWER_USER_TIERS: Final = (
    "Power User",
    "High Value User",
    "Medium Value User",
    "Low Value User",
    "Inactive User",
)
ENGAGEMENT_LEVELS: Final = (
    "High Frequency User",
    "Mid Frequency User",
    "Low Frequency User",
    "Occasional User",
    "Inactive User",
)
USAGE_PATTERNS: Final = (
    "Assistant-Focused",
    "Vault-Focused",
    "Workflow-Focused",
    "Balanced Usage",
    "Mixed Usage",
    "No Usage",
)
QUALITY_LEVELS: Final = (
    "High Quality",
    "Good Quality",
    "Average Quality",
    "Needs Improvement",
)
ADOPTION_LEVELS: Final = (
    "High Adoption",
    "Good Adoption",
    "Moderate Adoption",
    "Low Adoption",
    "Very Low Adoption",
)
FIRM_HEALTH_STATUSES: Final = ("Excellent", "Good", "Fair", "Needs Attention", "Critical")
FIRM_MATURITY_STAGES: Final = ("New", "Early Stage", "Growing", "Established", "Mature")
FIRM_SIZE_CATEGORIES: Final = ("Large Firm", "Medium Firm", "Small Firm", "Boutique Firm")
ARR_TIERS: Final = ("High Value", "Medium Value", "Standard Value", "Entry Level")
GROWTH_TRENDS: Final = (
    "Strong Growth",
    "Growing",
    "Stable",
    "Declining",
    "Critical Decline",
    "Insufficient Data",
)
USAGE_VOLUME_CATEGORIES: Final = ("High Volume", "Medium Volume", "Low Volume", "Minimal Usage")


def _text(description: str, *, nullable: bool = False, key: bool = False) -> dy.String:
    return dy.String(nullable=nullable, primary_key=key, description=description)


def _label(description: str, values: tuple[str, ...], *, nullable: bool = False) -> dy.Enum:
    return dy.Enum(values, nullable=nullable, description=description)


def _day(description: str, *, nullable: bool = False, key: bool = False) -> dy.Date:
    return dy.Date(nullable=nullable, primary_key=key, description=description)


def _moment(description: str, *, nullable: bool = False) -> dy.Datetime:
    return dy.Datetime(nullable=nullable, time_unit="us", description=description)


def _count(description: str, *, nullable: bool = False, minimum: int = 0) -> dy.Int64:
    return dy.Int64(min=minimum, nullable=nullable, description=description)


def _number(
    description: str, *, minimum: float | None = 0.0, maximum: float | None = None
) -> dy.Float64:
    return dy.Float64(min=minimum, max=maximum, nullable=True, description=description)


def _percent(description: str) -> dy.Float64:
    return _number(f"{description}, 0 to 100; null where the base is 0.", maximum=100.0)


def _flag(description: str) -> dy.Bool:
    return dy.Bool(nullable=False, description=description)


def _weight(description: str, values: tuple[int, ...]) -> dy.Int16:
    return dy.Int16(is_in=values, nullable=False, description=description)


# --- raw -----------------------------------------------------------------------------------------


class RawUsers(dy.Schema):
    """One row per (`drop_date`, `user_id`): the accepted rows of each day's user snapshot."""

    drop_date = _day("Day whose snapshot shows the user.", key=True)
    user_id = _text("User, as delivered, blanks trimmed.", key=True)
    line_number = _count("Line of the record in its file (row number in Parquet).", minimum=1)
    created_at = _moment("When the account was created, UTC.")
    title = _text("Job title as delivered, blanks trimmed.", nullable=True)


class RawFirms(dy.Schema):
    """One row per (`drop_date`, `firm_id`): the accepted rows of each day's firm snapshot."""

    drop_date = _day("Day whose snapshot shows the firm.", key=True)
    firm_id = _text("Firm, as delivered, blanks trimmed.", key=True)
    line_number = _count("Line of the record in its file (row number in Parquet).", minimum=1)
    created_at = _moment("When the firm became a customer, UTC.")
    firm_size = dy.Int32(min=0, nullable=False, description="Provisioned seats.")
    arr_usd = dy.Float64(min=0, nullable=False, description="Annual contract value, USD.")


class RawEvents(dy.Schema):
    """One row per accepted record of an event drop: (`drop_date`, `line_number`)."""

    drop_date = _day("Day whose drop delivered the event.", key=True)
    line_number = dy.Int64(
        min=1,
        primary_key=True,
        description="Line of the record in its file (row number in Parquet).",
    )
    event_id = _text("Event, where ids are delivered.", nullable=True)
    created_at = _moment("When the query was made, UTC.")
    event_date = _day("Date of `created_at`, UTC.")
    user_id = _text("User who made the query.")
    firm_id = _text("Firm for which it was made.")
    event_type = _label("Feature that answered it.", EVENT_TYPES)
    num_docs = dy.Int32(min=0, nullable=False, description="Documents processed.")
    feedback_score = _number("User's score, 1 to 5; null if none usable.", minimum=1.0, maximum=5.0)

    @dy.rule()
    def event_not_after_drop(cls) -> pl.Expr:
        return pl.col("event_date") <= pl.col("drop_date")


class Drops(dy.Schema):
    """One row per (`source`, `drop_date`) that was run: the ledger of what was delivered."""

    source = _text("users, firms or events.", key=True)
    drop_date = _day("Day of the drop.", key=True)
    file = _text("File relative to the landing folder; null if nothing covers.", nullable=True)
    form = _text("drop, bulk or none.")
    bytes = _count("Size of the file as delivered, bytes.", nullable=True)
    fingerprint = _text("SHA-256 of the file's content.", nullable=True)
    rows_read = _count("Records read.")
    rows_accepted = _count("Records accepted, repaired ones included.")
    rows_repaired = _count("Records accepted after a repair.")
    rows_rejected = _count("Records kept in quarantine only.")
    is_observed = _flag("Whether the day counts as seen (for events: covered).")
    data_file = _text("Parquet file of the accepted rows in the raw store.", nullable=True)
    loaded_at = _moment("When this drop was loaded, UTC.")

    @dy.rule()
    def rows_conserved(cls) -> pl.Expr:
        return pl.col("rows_read") == pl.col("rows_accepted") + pl.col("rows_rejected")


class Quarantine(dy.Schema):
    """One row per record that was rejected or repaired, verbatim, with every reason."""

    source = _text("users, firms or events.")
    drop_date = _day("Day of the drop; null if a bulk row's day cannot be read.", nullable=True)
    file = _text("File relative to the landing folder.")
    line_number = _count("Line on which the record starts (row number in Parquet).", minimum=1)
    action = _text("rejected or repaired.")
    reasons = dy.List(
        dy.String(nullable=False), nullable=False, description="Every reason that applies."
    )
    record = _text("Fields as text, a JSON object by header; the raw line where they blur.")


# --- history: what the dimensions are derived from -----------------------------------------------


class Snapshots(dy.Schema):
    """One row per observed day whose snapshot a dimension has taken in."""

    day = _day("Observed day.", key=True)
    form = _text("drop (full snapshot, so absence is departure) or bulk.")


class UserIntervals(dy.Schema):
    """One row per (`user_id`, `first_day`): a run of observed days with the same showing."""

    user_id = _text("User.", key=True)
    first_day = _day("First observed day of the run.", key=True)
    last_day = _day("Last observed day of the run.")
    is_sighting = _flag("Seen only by rejected rows: present, attributes not known from here.")
    user_role = _text("Title shown.", nullable=True)
    user_created_date = _day("Creation date shown.", nullable=True)


class FirmIntervals(dy.Schema):
    """One row per (`firm_id`, `first_day`): a run of observed days with the same showing."""

    firm_id = _text("Firm.", key=True)
    first_day = _day("First observed day of the run.", key=True)
    last_day = _day("Last observed day of the run.")
    is_sighting = _flag("Seen only by rejected rows: present, attributes not known from here.")
    firm_size = dy.Int32(nullable=True, description="Seats shown.")
    arr_usd = _number("Contract value shown, USD.")
    firm_created_date = _day("Creation date shown.", nullable=True)


# --- core ----------------------------------------------------------------------------------------


class DimUser(dy.Schema):
    """One row per (`user_id`, `effective_start_date`): a user's versions over time (SCD type 2)."""

    user_dim_key = _text("Surrogate key: `<user_id>_<effective_start_date as YYYYMMDD>`.")
    user_id = _text("User.", key=True)
    user_role = _text("Job title in this version.", nullable=True)
    user_created_date = _day("Date on which the account was created.")
    effective_start_date = _day("First day of the version.", key=True)
    effective_end_date = _day("Last day of the version, inclusive; 9999-12-31 while open.")
    is_current = _flag("Whether the version is still open.")

    @dy.rule()
    def starts_before_it_ends(cls) -> pl.Expr:
        return pl.col("effective_start_date") <= pl.col("effective_end_date")

    @dy.rule()
    def current_exactly_while_open(cls) -> pl.Expr:
        return pl.col("is_current") == (pl.col("effective_end_date") == OPEN_END)


class DimFirms(dy.Schema):
    """One row per (`firm_id`, `effective_start_date`): a firm's versions over time (SCD type 2)."""

    firm_dim_key = _text("Surrogate key: `<firm_id>_<effective_start_date as YYYYMMDD>`.")
    firm_id = _text("Firm.", key=True)
    firm_size = dy.Int32(min=0, nullable=False, description="Provisioned seats in this version.")
    arr_usd = dy.Float64(
        min=0, nullable=False, description="Annual contract value in this version, USD."
    )
    firm_created_date = _day("Date on which the firm became a customer.")
    effective_start_date = _day("First day of the version.", key=True)
    effective_end_date = _day("Last day of the version, inclusive; 9999-12-31 while open.")
    is_current = _flag("Whether the version is still open.")

    @dy.rule()
    def starts_before_it_ends(cls) -> pl.Expr:
        return pl.col("effective_start_date") <= pl.col("effective_end_date")

    @dy.rule()
    def current_exactly_while_open(cls) -> pl.Expr:
        return pl.col("is_current") == (pl.col("effective_end_date") == OPEN_END)


class UserDailyActivity(dy.Schema):
    """One row per (`date`, `user_id`, `firm_id`) with at least one event dated that day."""

    date = _day("The events' own date, UTC, whichever drop brought them.", key=True)
    user_id = _text("User.", key=True)
    firm_id = _text("Firm for which the user worked.", key=True)
    queries = _count("Events; one event is one query.", minimum=1)
    assistant_queries = _count("Queries of type ASSISTANT.")
    vault_queries = _count("Queries of type VAULT.")
    workflow_queries = _count("Queries of type WORKFLOW.")
    documents = _count("Documents processed: sum of `num_docs`.")
    feedback_sum = dy.Float64(min=0, nullable=False, description="Sum of the feedback scores.")
    feedback_count = _count("Scored events.")
    high_feedback = _count("Scored events of 4 or more.")
    low_feedback = _count("Scored events of 2 or less.")
    first_event_at = _moment("First event of the day, UTC.")
    last_event_at = _moment("Last event of the day, UTC.")

    @dy.rule()
    def queries_add_up_by_type(cls) -> pl.Expr:
        return pl.col("queries") == pl.sum_horizontal(
            "assistant_queries", "vault_queries", "workflow_queries"
        )

    @dy.rule()
    def scored_events_within_queries(cls) -> pl.Expr:
        return (pl.col("feedback_count") <= pl.col("queries")) & (
            pl.col("high_feedback") + pl.col("low_feedback") <= pl.col("feedback_count")
        )

    @dy.rule()
    def events_on_their_date(cls) -> pl.Expr:
        return (pl.col("first_event_at").dt.date() == pl.col("date")) & (
            pl.col("last_event_at").dt.date() == pl.col("date")
        )


# --- marts ---------------------------------------------------------------------------------------


class DailyUserEngagement(dy.Schema):
    """One row per (`date`, `user_id`), valid that day or active in the trailing 30 days."""

    date = _day("Last day of the trailing 30-day window.", key=True)
    user_id = _text("User.", key=True)
    user_role = _text("Job title as of `date`.", nullable=True)
    user_created_date = _day("Account creation date as of `date`.", nullable=True)
    months_since_creation = dy.Int32(
        nullable=True, description="Whole calendar months since creation, clamped to month ends."
    )
    tenure_band = _label("Band of `months_since_creation`.", TENURE_BANDS, nullable=True)
    firm_id = _text("Firm with most queries in the window; null if inactive.", nullable=True)
    firm_count = _count("Firms used in the window.")
    total_queries = _count("Queries in the window.")
    assistant_queries = _count("Queries of type ASSISTANT in the window.")
    vault_queries = _count("Queries of type VAULT in the window.")
    workflow_queries = _count("Queries of type WORKFLOW in the window.")
    total_documents_processed = _count("Documents processed in the window.")
    active_days = dy.Int16(
        min=0, max=WINDOW_DAYS, nullable=False, description="Distinct dates with a query."
    )
    unique_event_types = dy.Int16(
        min=0, max=3, nullable=False, description="Distinct event types in the window."
    )
    avg_feedback_score = _number(
        "Mean score over scored events in the window; null if none.", minimum=1.0, maximum=5.0
    )
    avg_documents_per_query = _number("Documents per query; null without queries.")
    first_activity_date = _day("First active date in the window.", nullable=True)
    last_activity_date = _day("Last active date in the window.", nullable=True)
    is_active_today = _flag("Whether the user made a query on `date`.")
    active_days_weight = _weight("Score component of active days.", (0, 20, 40, 60, 80, 100))
    document_volume_weight = _weight("Score component of documents.", (0, 20, 40, 60, 80, 100))
    feature_breadth_weight = _weight("Score component of event types.", (0, 40, 70, 100))
    power_user_score = dy.Int16(
        min=0,
        max=100,
        nullable=False,
        description="0.4 active days + 0.3 documents + 0.3 breadth weight.",
    )
    power_user_tier = _label("Tier of `power_user_score`.", POWER_USER_TIERS)
    engagement_level = _label("Level by queries and active days.", ENGAGEMENT_LEVELS)
    usage_pattern = _label("Which event type leads.", USAGE_PATTERNS)
    quality_level = _label("Level of `avg_feedback_score`.", QUALITY_LEVELS, nullable=True)

    @dy.rule()
    def score_equals_components(cls) -> pl.Expr:
        return pl.col("power_user_score").cast(pl.Int32) * 10 == (
            pl.col("active_days_weight").cast(pl.Int32) * 4
            + pl.col("document_volume_weight").cast(pl.Int32) * 3
            + pl.col("feature_breadth_weight").cast(pl.Int32) * 3
        )

    @dy.rule()
    def tier_agrees_with_score(cls) -> pl.Expr:
        score = pl.col("power_user_score")
        lower = {"Power User": 80, "High Value User": 60, "Medium Value User": 40}
        lower |= {"Low Value User": 20, "Inactive User": 0}
        tier = pl.col("power_user_tier").cast(pl.String)
        floor = tier.replace_strict(lower, return_dtype=pl.Int16)
        width = pl.when(tier == "Power User").then(21).otherwise(20)
        return (score >= floor) & (score < floor + width)

    @dy.rule()
    def level_agrees_with_thresholds(cls) -> pl.Expr:
        level = pl.col("engagement_level").cast(pl.String)
        reached = pl.sum_horizontal(
            [
                ((pl.col("total_queries") >= queries) & (pl.col("active_days") >= days)).cast(
                    pl.Int8
                )
                for queries, days in ((20, 15), (10, 8), (5, 3), (1, 0))
            ]
        )
        rank = level.replace_strict(
            dict(zip(ENGAGEMENT_LEVELS, (4, 3, 2, 1, 0), strict=True)), return_dtype=pl.Int8
        )
        return rank == reached

    @dy.rule()
    def queries_add_up_by_type(cls) -> pl.Expr:
        return pl.col("total_queries") == pl.sum_horizontal(
            "assistant_queries", "vault_queries", "workflow_queries"
        )

    @dy.rule()
    def activity_is_whole(cls) -> pl.Expr:
        active = pl.col("active_days") > 0
        return (
            (active == (pl.col("total_queries") > 0))
            & (active == pl.col("firm_id").is_not_null())
            & (active == (pl.col("firm_count") > 0))
            & (active == pl.col("first_activity_date").is_not_null())
            & (active == pl.col("last_activity_date").is_not_null())
        )

    @dy.rule()
    def activity_within_window(cls) -> pl.Expr:
        first, last = pl.col("first_activity_date"), pl.col("last_activity_date")
        return first.is_null() | (
            (first <= last)
            & (last <= pl.col("date"))
            & (first > pl.col("date") - pl.duration(days=WINDOW_DAYS))
        )


class DailyFirmUsageSummary(dy.Schema):
    """One row per (`date`, `firm_id`), valid that day or active in the trailing 30 days."""

    date = _day("The day, and last day of the trailing 30-day window.", key=True)
    firm_id = _text("Firm.", key=True)
    active_users = _count("Users active on `date`.")
    total_queries = _count("Queries on `date`.")
    assistant_queries = _count("Queries of type ASSISTANT on `date`.")
    vault_queries = _count("Queries of type VAULT on `date`.")
    workflow_queries = _count("Queries of type WORKFLOW on `date`.")
    total_documents_processed = _count("Documents processed on `date`.")
    avg_feedback_score = _number(
        "Mean score over the day's scored events; null if none.", minimum=1.0, maximum=5.0
    )
    avg_documents_per_query = _number("The day's documents per query; null without queries.")
    queries_per_active_user = _number("The day's queries per active user; null without any.")
    firm_usage_pattern = _label("Which event type leads on `date`.", USAGE_PATTERNS)
    daily_adoption_rate = _number("100 x `active_users` / `firm_size`; may exceed 100.")
    active_users_30d = _count("Users active in the window.")
    total_queries_30d = _count("Queries in the window.")
    avg_feedback_score_30d = _number(
        "Mean score over the window's scored events; null if none.", minimum=1.0, maximum=5.0
    )
    queries_per_active_user_30d = _number("The window's queries per active user.")
    adoption_rate_30d = _number("100 x `active_users_30d` / `firm_size`; may exceed 100.")
    firm_size = dy.Int32(min=0, nullable=True, description="Provisioned seats as of `date`.")
    arr_usd = _number("Annual contract value as of `date`, USD.")
    firm_created_date = _day("Creation date as of `date`.", nullable=True)
    days_since_firm_creation = dy.Int32(
        nullable=True, description="Days from `firm_created_date` to `date`."
    )
    arr_per_active_user_30d = _number("`arr_usd` per user active in the window, USD.")
    unused_seats_30d = _count("Seats without a user active in the window.", nullable=True)
    adoption_level = _label("Level of `adoption_rate_30d`.", ADOPTION_LEVELS, nullable=True)
    firm_health_status = _label(
        "Health by the window's feedback and queries per active user.", FIRM_HEALTH_STATUSES
    )
    firm_maturity_stage = _label(
        "Stage by `days_since_firm_creation`.", FIRM_MATURITY_STAGES, nullable=True
    )
    firm_size_category = _label("Category of `firm_size`.", FIRM_SIZE_CATEGORIES, nullable=True)
    arr_tier = _label("Tier of `arr_usd`.", ARR_TIERS, nullable=True)

    @dy.rule()
    def queries_add_up_by_type(cls) -> pl.Expr:
        return pl.col("total_queries") == pl.sum_horizontal(
            "assistant_queries", "vault_queries", "workflow_queries"
        )

    @dy.rule()
    def day_within_window(cls) -> pl.Expr:
        return (pl.col("active_users") <= pl.col("active_users_30d")) & (
            pl.col("total_queries") <= pl.col("total_queries_30d")
        )

    @dy.rule()
    def adoption_level_agrees_with_rate(cls) -> pl.Expr:
        rate = pl.col("adoption_rate_30d")
        reached = pl.sum_horizontal([(rate >= limit).cast(pl.Int8) for limit in (20, 40, 60, 80)])
        rank = (
            pl.col("adoption_level")
            .cast(pl.String)
            .replace_strict(
                dict(zip(ADOPTION_LEVELS, (4, 3, 2, 1, 0), strict=True)), return_dtype=pl.Int8
            )
        )
        return pl.when(rate.is_null()).then(rank.is_null()).otherwise(rank.eq_missing(reached))


class DailyEventSummary(dy.Schema):
    """One row per `date`: the day's events in total; a day without events is a row of zeros."""

    date = _day("The day.", key=True)
    is_covered = _flag("Whether the landing folder covers the day's events.")
    total_events = _count("Events dated `date`.")
    active_users = _count("Users with an event.")
    active_firms = _count("Firms with an event.")
    total_documents = _count("Documents processed.")
    avg_feedback_score = _number(
        "Mean score over scored events; null if none.", minimum=1.0, maximum=5.0
    )
    assistant_events = _count("Events of type ASSISTANT.")
    vault_events = _count("Events of type VAULT.")
    workflow_events = _count("Events of type WORKFLOW.")
    scored_events = _count("Events with a feedback score.")
    high_satisfaction_events = _count("Scored events of 4 or more.")
    low_satisfaction_events = _count("Scored events of 2 or less.")

    @dy.rule()
    def events_add_up_by_type(cls) -> pl.Expr:
        return pl.col("total_events") == pl.sum_horizontal(
            "assistant_events", "vault_events", "workflow_events"
        )


class HarveyAnalyticsDashboard(DailyEventSummary):
    """One row per `date`: the KPIs of the day and of the 30 days that end on it."""

    assistant_percent = _percent("Share of ASSISTANT in `total_events`")
    vault_percent = _percent("Share of VAULT in `total_events`")
    workflow_percent = _percent("Share of WORKFLOW in `total_events`")
    high_satisfaction_rate = _percent("Share of `scored_events` of 4 or more")
    low_satisfaction_rate = _percent("Share of `scored_events` of 2 or less")
    events_per_user = _number("Events per user active on `date`.")
    documents_per_user = _number("Documents per user active on `date`.")
    documents_per_event = _number("Documents per event.")
    dau = _count("Users active on `date`.")
    wau = _count("Users active in the 7 days that end on `date`.")
    mau = _count("Users active in the 30 days that end on `date`.")
    stickiness = _percent("`dau` of `mau`")
    power_users = _count("Users of tier Power User.")
    high_value_users = _count("Users of tier High Value User.")
    medium_value_users = _count("Users of tier Medium Value User.")
    low_value_users = _count("Users of tier Low Value User.")
    inactive_users = _count("Users of tier Inactive User.")
    power_user_rate = _percent("`power_users` of `mau`")
    avg_power_score = _number("Mean `power_user_score` of users active in the window.")
    avg_queries_per_user = _number("Mean `total_queries` of users active in the window.")
    avg_active_days_per_user = _number("Mean `active_days` of users active in the window.")
    avg_user_feedback = _number(
        "Mean of users' `avg_feedback_score` in the window.", minimum=1.0, maximum=5.0
    )
    feature_adoption_rate = _percent("Users of 2 or more event types of `mau`")
    avg_firm_feedback = _number(
        "Mean of the day's `avg_feedback_score` of firms active on `date`.",
        minimum=1.0,
        maximum=5.0,
    )
    avg_firm_adoption_rate = _number("Mean `daily_adoption_rate` of firms active on `date`.")
    excellent_firms = _count("Firms of health Excellent.")
    good_firms = _count("Firms of health Good.")
    fair_firms = _count("Firms of health Fair.")
    needs_attention_firms = _count("Firms of health Needs Attention.")
    critical_firms = _count("Firms of health Critical.")
    new_users = _count("Of `mau`: accounts created in the window.")
    returning_users = _count("Of `mau`: the rest.")
    power_user_retention = _percent("Power users of 30 days before who still are")
    users_moved_up = _count("Users whose tier is better than 30 days before.")
    users_moved_down = _count("Users whose tier is worse than 30 days before.")
    growth_trend = _label("Change of `power_users` against 30 days before.", GROWTH_TRENDS)
    usage_volume_category = _label("Category of `total_events`.", USAGE_VOLUME_CATEGORIES)

    @dy.rule()
    def percentages_sum_to_100(cls) -> pl.Expr:
        total = pl.sum_horizontal("assistant_percent", "vault_percent", "workflow_percent")
        return (pl.col("total_events") == 0) | ((total - 100).abs() < 1e-9)

    @dy.rule()
    def users_nest(cls) -> pl.Expr:
        return (pl.col("dau") <= pl.col("wau")) & (pl.col("wau") <= pl.col("mau"))

    @dy.rule()
    def users_split_into_new_and_returning(cls) -> pl.Expr:
        return pl.col("mau") == pl.col("new_users") + pl.col("returning_users")

    @dy.rule()
    def dau_equals_active_users(cls) -> pl.Expr:
        return pl.col("dau") == pl.col("active_users")


@dataclass(frozen=True)
class Table:
    """Where a schema is stored.

    `day_column` names the column by which a table is cut into daily slices; a table without one
    is replaced whole.
    """

    name: str
    schema: type[dy.Schema]
    day_column: str | None

    @property
    def description(self) -> str:
        return " ".join((self.schema.__doc__ or "").split())

    @property
    def polars_schema(self) -> dict[str, pl.DataType]:
        return {name: column.dtype for name, column in self.schema.columns().items()}

    @property
    def key(self) -> list[str]:
        return self.schema.primary_key()

    def empty(self) -> pl.LazyFrame:
        return pl.LazyFrame(schema=self.polars_schema)


TABLES: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (
        Table("raw.raw_users", RawUsers, "drop_date"),
        Table("raw.raw_firms", RawFirms, "drop_date"),
        Table("raw.raw_events", RawEvents, "drop_date"),
        Table("raw.drops", Drops, "drop_date"),
        Table("raw.quarantine", Quarantine, "drop_date"),
        Table("history.user_snapshots", Snapshots, None),
        Table("history.firm_snapshots", Snapshots, None),
        Table("history.user_intervals", UserIntervals, None),
        Table("history.firm_intervals", FirmIntervals, None),
        Table("core.dim_user", DimUser, None),
        Table("core.dim_firms", DimFirms, None),
        Table("core.user_daily_activity", UserDailyActivity, "date"),
        Table("marts.daily_user_engagement", DailyUserEngagement, "date"),
        Table("marts.daily_firm_usage_summary", DailyFirmUsageSummary, "date"),
        Table("marts.daily_event_summary", DailyEventSummary, "date"),
        Table("marts.harvey_analytics_dashboard", HarveyAnalyticsDashboard, "date"),
    )
}
