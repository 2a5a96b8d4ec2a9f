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

GROWTH_DAYS: Final = 28
"""Length of the windows of growth accounting and of the power curve, in days: four whole weeks."""

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
MONTHLY_ENGAGEMENT_LEVELS: Final = ("high", "medium", "low")
GRAINS: Final = ("user", "firm")
SEGMENTS: Final = ("user_role", "firm_size_category", "arr_tier")


def _text(description: str, *, nullable: bool = False, key: bool = False) -> dy.String:
    return dy.String(nullable=nullable, primary_key=key, description=description)


def _label(
    description: str, values: tuple[str, ...], *, nullable: bool = False, key: bool = False
) -> dy.Enum:
    return dy.Enum(values, nullable=nullable, primary_key=key, description=description)


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


def _percent_rank(description: str) -> dy.Float64:
    return dy.Float64(min=0.0, max=1.0, nullable=False, description=description)


# --- rules that several schemas share -------------------------------------------------------------


def _score_equals_components() -> pl.Expr:
    return pl.col("power_user_score").cast(pl.Int32) * 10 == (
        pl.col("active_days_weight").cast(pl.Int32) * 4
        + pl.col("document_volume_weight").cast(pl.Int32) * 3
        + pl.col("feature_breadth_weight").cast(pl.Int32) * 3
    )


def _tier_agrees_with_score() -> pl.Expr:
    score = pl.col("power_user_score")
    lower = {"Power User": 80, "High Value User": 60, "Medium Value User": 40}
    lower |= {"Low Value User": 20, "Inactive User": 0}
    tier = pl.col("power_user_tier").cast(pl.String)
    floor = tier.replace_strict(lower, return_dtype=pl.Int16)
    width = pl.when(tier == "Power User").then(21).otherwise(20)
    return (score >= floor) & (score < floor + width)


def _actives_nest() -> pl.Expr:
    return (pl.col("dau") <= pl.col("wau")) & (pl.col("wau") <= pl.col("mau"))


def _starts_a_month(column: str) -> pl.Expr:
    return pl.col(column).dt.day() == 1


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


class FirstActivity(dy.Schema):
    """One row per (`grain`, `entity_id`): the first day on which a user, or a firm, was active."""

    grain = _label("What the row is about: user or firm.", GRAINS, key=True)
    entity_id = _text("`user_id` or `firm_id`.", key=True)
    first_activity_date = _day("First date with a query, of all days that were run.")


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
        return _score_equals_components()

    @dy.rule()
    def tier_agrees_with_score(cls) -> pl.Expr:
        return _tier_agrees_with_score()

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
        return _actives_nest()

    @dy.rule()
    def users_split_into_new_and_returning(cls) -> pl.Expr:
        return pl.col("mau") == pl.col("new_users") + pl.col("returning_users")

    @dy.rule()
    def dau_equals_active_users(cls) -> pl.Expr:
        return pl.col("dau") == pl.col("active_users")


class _ActiveCounts(dy.Schema):
    """Columns of entities counted by when they were last active."""

    dau = _count("Active on `date`.")
    wau = _count("Active in the 7 days that end on `date`.")
    mau = _count("Active in the 30 days that end on `date`.")
    stickiness = _percent("`dau` of `mau`")

    @dy.rule()
    def actives_nest(cls) -> pl.Expr:
        return _actives_nest()


class _GrowthCounts(dy.Schema):
    """Columns of entities counted by where the active ones of 28 days came from."""

    active = _count("Active in the 28 days that end on `date`.")
    previous_active = _count("Active in the 28 days before those.")
    new = _count("Of `active`: never active before these 28 days.")
    retained = _count("Of `active`: active in the previous 28 days too.")
    resurrected = _count("Of `active`: active before, but not in the previous 28 days.")
    churned = _count("Of `previous_active`: not `active`.")
    quick_ratio = _number("(`new` + `resurrected`) / `churned`; null where none churned.")
    growth_rate = _number(
        "100 x (`active` - `previous_active`) / `previous_active`; null where none was active.",
        minimum=-100.0,
    )

    @dy.rule()
    def active_is_new_retained_or_resurrected(cls) -> pl.Expr:
        return pl.col("active") == pl.sum_horizontal("new", "retained", "resurrected")

    @dy.rule()
    def change_is_gains_less_losses(cls) -> pl.Expr:
        change = pl.col("active") - pl.col("previous_active")
        return change == pl.col("new") + pl.col("resurrected") - pl.col("churned")


class _DayAndGrain(dy.Schema):
    """Key of what is counted on a day, for users and for firms."""

    date = _day("The day, and last day of every window.", key=True)
    grain = _label("What is counted: users or firms.", GRAINS, key=True)


class _DayAndSegment(dy.Schema):
    """Key of what is counted on a day, by a value of an attribute."""

    date = _day("The day, and last day of every window.")
    grain = _label("What is counted: users or firms.", GRAINS)
    segment = _label("Attribute by which they are split, as of `date`.", SEGMENTS)
    segment_value = _text("Value of the attribute; null where it is unknown.", nullable=True)

    @dy.rule()
    def segment_belongs_to_grain(cls) -> pl.Expr:
        is_user = pl.col("grain").cast(pl.String) == "user"
        return is_user == (pl.col("segment").cast(pl.String) == "user_role")


class UsageBySegment(_DayAndSegment, _ActiveCounts, _GrowthCounts):
    """One row per (`date`, `grain`, `segment`, `segment_value`) active in the trailing 56 days."""


class GrowthAccounting(_DayAndGrain, _GrowthCounts):
    """One row per (`date`, `grain`): where the active users, or firms, of 28 days came from."""


class ActiveUsage(_DayAndGrain, _ActiveCounts):
    """One row per (`date`, `grain`): daily, weekly and monthly active users, or firms."""


class PowerCurve(dy.Schema):
    """One row per (`date`, `window_days`, `active_days`): users active on just so many days."""

    date = _day("Last day of the window.", key=True)
    window_days = dy.Int16(
        primary_key=True, is_in=(7, GROWTH_DAYS), description="Length of the window: 7 or 28 days."
    )
    active_days = dy.Int16(
        primary_key=True,
        min=1,
        max=GROWTH_DAYS,
        description="Days of the window with a query, from 1 to `window_days`.",
    )
    users = _count("Users active on exactly `active_days` days of the window.")
    users_percent = _percent("Share of `users` in all users active in the window")

    @dy.rule()
    def active_days_within_window(cls) -> pl.Expr:
        return pl.col("active_days") <= pl.col("window_days")


# --- months --------------------------------------------------------------------------------------


class UserEngagement(dy.Schema):
    """One row per (`activity_month`, `user_id`) with activity in that calendar month."""

    activity_month = _day("First day of the month.", key=True)
    user_id = _text("User.", key=True)
    firm_id = _text("Firm with most queries in the month.")
    num_active_days = dy.Int16(
        min=1, max=31, nullable=False, description="Distinct dates with a query."
    )
    num_queries = _count("Queries in the month.", minimum=1)
    num_workflow_queries = _count("Queries of type WORKFLOW in the month.")
    num_vault_queries = _count("Queries of type VAULT in the month.")
    num_assistant_queries = _count("Queries of type ASSISTANT in the month.")
    avg_queries_per_active_day = _number("Queries per active day.")
    num_docs = _count("Documents processed in the month.")
    avg_docs_per_query = _number("Documents per query.")
    avg_feedback_score = _number(
        "Mean score over scored events in the month; null if none.", minimum=1.0, maximum=5.0
    )
    last_active_date = _day("Last active date in the month.")
    unique_event_types = dy.Int16(
        min=1, max=3, nullable=False, description="Distinct event types in the month."
    )
    active_days_weight = _weight("Score component of active days.", (0, 20, 40, 60, 80, 100))
    document_volume_weight = _weight("Score component of documents.", (0, 20, 40, 60, 80, 100))
    feature_breadth_weight = _weight("Score component of event types.", (40, 70, 100))
    power_user_score = dy.Int16(
        min=0,
        max=100,
        nullable=False,
        description="0.4 active days + 0.3 documents + 0.3 breadth weight.",
    )
    power_user_tier = _label("Tier of `power_user_score`: absolute.", POWER_USER_TIERS)
    pr_num_queries = _percent_rank("Percent rank of `num_queries` in the month, 0 to 1.")
    pr_num_docs = _percent_rank("Percent rank of `num_docs` in the month, 0 to 1.")
    pr_avg_feedback_score = _percent_rank(
        "Percent rank of `avg_feedback_score` among the month's scored users; 0 without a score."
    )
    engagement_score = _percent_rank(
        "0.6 `pr_num_queries` + 0.3 `pr_num_docs` + 0.1 `pr_avg_feedback_score`."
    )
    pr_engagement_score = _percent_rank("Percent rank of `engagement_score` in the month, 0 to 1.")
    engagement_level = _label(
        "high from `pr_engagement_score` 0.8, medium from 0.3, else low.",
        MONTHLY_ENGAGEMENT_LEVELS,
    )
    is_power_user = _flag(
        "Level high, active in the previous month too, 2 or more event types: relative."
    )

    @dy.rule()
    def month_starts_on_its_first(cls) -> pl.Expr:
        return _starts_a_month("activity_month")

    @dy.rule()
    def queries_add_up_by_type(cls) -> pl.Expr:
        return pl.col("num_queries") == pl.sum_horizontal(
            "num_assistant_queries", "num_vault_queries", "num_workflow_queries"
        )

    @dy.rule()
    def last_active_date_in_month(cls) -> pl.Expr:
        return pl.col("last_active_date").dt.truncate("1mo") == pl.col("activity_month")

    @dy.rule()
    def score_equals_components(cls) -> pl.Expr:
        return _score_equals_components()

    @dy.rule()
    def tier_agrees_with_score(cls) -> pl.Expr:
        return _tier_agrees_with_score()

    @dy.rule()
    def engagement_score_equals_ranks(cls) -> pl.Expr:
        weighted = (
            pl.col("pr_num_queries") * 0.6
            + pl.col("pr_num_docs") * 0.3
            + pl.col("pr_avg_feedback_score") * 0.1
        )
        return (pl.col("engagement_score") - weighted).abs() < 1e-9

    @dy.rule()
    def level_agrees_with_rank(cls) -> pl.Expr:
        rank = pl.col("pr_engagement_score")
        reached = (rank >= 0.8).cast(pl.Int8) + (rank >= 0.3).cast(pl.Int8)
        place = pl.col("engagement_level").cast(pl.String)
        levels = dict(zip(MONTHLY_ENGAGEMENT_LEVELS, (2, 1, 0), strict=True))
        return place.replace_strict(levels, return_dtype=pl.Int8) == reached

    @dy.rule()
    def power_users_are_high_and_broad(cls) -> pl.Expr:
        is_high = pl.col("engagement_level").cast(pl.String) == "high"
        return ~pl.col("is_power_user") | (is_high & (pl.col("unique_event_types") >= 2))


class FirmUsageSummary(dy.Schema):
    """One row per (`activity_month`, `firm_id`) with activity in that calendar month."""

    activity_month = _day("First day of the month.", key=True)
    firm_id = _text("Firm.", key=True)
    num_active_days = dy.Int16(
        min=1, max=31, nullable=False, description="Distinct dates with a query."
    )
    num_active_users = _count("Users with a query for the firm.", minimum=1)
    num_queries = _count("Queries in the month.", minimum=1)
    num_assistant_queries = _count("Queries of type ASSISTANT in the month.")
    num_vault_queries = _count("Queries of type VAULT in the month.")
    num_workflow_queries = _count("Queries of type WORKFLOW in the month.")
    num_docs = _count("Documents processed in the month.")
    avg_feedback_score = _number(
        "Mean score over scored events in the month; null if none.", minimum=1.0, maximum=5.0
    )
    queries_per_active_day = _number("Queries per active day.")
    queries_per_active_user = _number("Queries per active user.")
    docs_per_query = _number("Documents per query.")
    firm_size = dy.Int32(
        min=0,
        nullable=True,
        description="Provisioned seats as of the month's last day, or the last covered one in it.",
    )
    arr_usd = _number("Annual contract value as of the same day, USD.")
    arr_per_user = _number("`arr_usd` per active user, USD.")
    seat_utilization = _number("100 x `num_active_users` / `firm_size`; may exceed 100.")

    @dy.rule()
    def month_starts_on_its_first(cls) -> pl.Expr:
        return _starts_a_month("activity_month")

    @dy.rule()
    def queries_add_up_by_type(cls) -> pl.Expr:
        return pl.col("num_queries") == pl.sum_horizontal(
            "num_assistant_queries", "num_vault_queries", "num_workflow_queries"
        )


class RetentionCohorts(dy.Schema):
    """One row per (`grain`, `cohort_month`, `months_since`): who of a cohort came back."""

    grain = _label("What is counted: users or firms.", GRAINS, key=True)
    cohort_month = _day("First day of the calendar month of first activity.", key=True)
    months_since = dy.Int32(
        min=0, primary_key=True, description="Calendar months from `cohort_month`."
    )
    activity_month = _day("First day of the month in which activity counts.")
    cohort_size = _count("Users, or firms, whose first activity fell in `cohort_month`.")
    retained = _count(
        "Of the cohort: active in `activity_month`; null while that is not over.", nullable=True
    )
    retention_rate = _percent("`retained` of `cohort_size`")
    is_complete = _flag("Whether `activity_month` is over: events are covered up to its end.")

    @dy.rule()
    def months_start_on_their_first(cls) -> pl.Expr:
        return _starts_a_month("activity_month") & _starts_a_month("cohort_month")

    @dy.rule()
    def activity_month_follows_cohort(cls) -> pl.Expr:
        later, cohort = pl.col("activity_month"), pl.col("cohort_month")
        months = (later.dt.year() - cohort.dt.year()) * 12 + (
            later.dt.month().cast(pl.Int32) - cohort.dt.month().cast(pl.Int32)
        )
        return pl.col("months_since") == months

    @dy.rule()
    def incomplete_cells_are_null(cls) -> pl.Expr:
        is_complete = pl.col("is_complete")
        return (pl.col("retained").is_not_null() == is_complete) & (
            pl.col("retention_rate").is_null() | is_complete
        )

    @dy.rule()
    def retained_within_cohort(cls) -> pl.Expr:
        retained = pl.col("retained")
        return retained.is_null() | (retained <= pl.col("cohort_size"))

    @dy.rule()
    def cohort_is_active_in_its_month(cls) -> pl.Expr:
        is_first = (pl.col("months_since") == 0) & pl.col("is_complete")
        return ~is_first | (pl.col("retained") == pl.col("cohort_size"))


@dataclass(frozen=True)
class Table:
    """Where a schema is stored.

    `day_column` names the column by which a table is cut into slices, a day each (or a month each,
    by its first day); a table without one is replaced whole. `key_columns` is the key where a
    column of it may be null, which a schema cannot say of a primary key.
    """

    name: str
    schema: type[dy.Schema]
    day_column: str | None
    key_columns: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        return " ".join((self.schema.__doc__ or "").split())

    @property
    def polars_schema(self) -> dict[str, pl.DataType]:
        return {name: column.dtype for name, column in self.schema.columns().items()}

    @property
    def key(self) -> list[str]:
        return list(self.key_columns) or self.schema.primary_key()

    @property
    def is_monthly(self) -> bool:
        """Whether a partition of the table is a calendar month, named by its first day."""
        return self.name.startswith("months.")

    def count_partitions(self, first: date, last: date) -> int:
        """How many days, or months, lie between two of them, both counted."""
        if self.is_monthly:
            return (last.year - first.year) * 12 + last.month - first.month + 1
        return (last - first).days + 1

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
        Table("core.first_activity", FirstActivity, None),
        Table("marts.daily_user_engagement", DailyUserEngagement, "date"),
        Table("marts.daily_firm_usage_summary", DailyFirmUsageSummary, "date"),
        Table("marts.daily_event_summary", DailyEventSummary, "date"),
        Table("marts.harvey_analytics_dashboard", HarveyAnalyticsDashboard, "date"),
        Table(
            "marts.usage_by_segment",
            UsageBySegment,
            "date",
            key_columns=("date", "grain", "segment", "segment_value"),
        ),
        Table("marts.growth_accounting", GrowthAccounting, "date"),
        Table("marts.active_usage", ActiveUsage, "date"),
        Table("marts.power_curve", PowerCurve, "date"),
        Table("months.user_engagement", UserEngagement, "activity_month"),
        Table("months.firm_usage_summary", FirmUsageSummary, "activity_month"),
        Table("months.retention_cohorts", RetentionCohorts, None),
    )
}
