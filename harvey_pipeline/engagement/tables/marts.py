"""Marts by day: scores, summaries, KPIs, growth."""

import dataframely as dy
import polars as pl

from harvey_pipeline.engagement.tables import rules
from harvey_pipeline.engagement.tables.labels import (
    ADOPTION_LEVELS,
    ARR_TIERS,
    DIRECTIONS,
    ENGAGEMENT_LEVELS,
    FIRM_HEALTH_STATUSES,
    FIRM_MATURITY_STAGES,
    FIRM_SIZE_CATEGORIES,
    GRAINS,
    GROWTH_DAYS,
    GROWTH_TRENDS,
    POWER_USER_TIERS,
    QUALITY_LEVELS,
    SCORE_COMPONENTS,
    SEGMENTS,
    TENURE_BANDS,
    USAGE_PATTERNS,
    USAGE_VOLUME_CATEGORIES,
    WEEK_DAYS,
    WINDOW_DAYS,
)
from harvey_pipeline.warehouse import columns as c

_SIX_STEPS = (0, 20, 40, 60, 80, 100)
_BREADTH_STEPS = (0, 40, 70, 100)


def _score(description: str) -> dy.Int16:
    return dy.Int16(min=0, max=100, nullable=False, description=description)


class DailyUserEngagement(dy.Schema):
    """One row per (`date`, `user_id`), valid that day or active in the trailing 30 days."""

    date = c.day("Last day of the trailing 30-day window.", key=True)
    user_id = c.text("User.", key=True)
    user_role = c.text("Job title as of `date`.", nullable=True)
    user_created_date = c.day("Account creation date as of `date`.", nullable=True)
    months_since_creation = dy.Int32(
        nullable=True, description="Whole calendar months since creation, clamped to month ends."
    )
    tenure_band = c.label("Band of `months_since_creation`.", TENURE_BANDS, nullable=True)
    firm_id = c.text("Firm with most queries in the window; null if inactive.", nullable=True)
    firm_count = c.count("Firms used in the window.")
    total_queries = c.count("Queries in the window.")
    assistant_queries = c.count("Queries of type ASSISTANT in the window.")
    vault_queries = c.count("Queries of type VAULT in the window.")
    workflow_queries = c.count("Queries of type WORKFLOW in the window.")
    total_documents_processed = c.count("Documents processed in the window.")
    active_days = dy.Int16(
        min=0, max=WINDOW_DAYS, nullable=False, description="Distinct dates with a query."
    )
    unique_event_types = dy.Int16(
        min=0, max=3, nullable=False, description="Distinct event types in the window."
    )
    avg_feedback_score = c.number(
        "Mean score over scored events in the window; null if none.", minimum=1.0, maximum=5.0
    )
    avg_documents_per_query = c.number("Documents per query; null without queries.")
    first_activity_date = c.day("First active date in the window.", nullable=True)
    last_activity_date = c.day("Last active date in the window.", nullable=True)
    is_active_today = c.flag("Whether the user made a query on `date`.")
    active_days_weight = c.weight("Score component of active days.", _SIX_STEPS)
    document_volume_weight = c.weight("Score component of documents.", _SIX_STEPS)
    feature_breadth_weight = c.weight("Score component of event types.", _BREADTH_STEPS)
    power_user_score = _score("0.4 active days + 0.3 documents + 0.3 breadth weight.")
    power_user_tier = c.label("Tier of `power_user_score`.", POWER_USER_TIERS)
    engagement_level = c.label("Level by queries and active days.", ENGAGEMENT_LEVELS)
    usage_pattern = c.label("Which event type leads.", USAGE_PATTERNS)
    quality_level = c.label("Level of `avg_feedback_score`.", QUALITY_LEVELS, nullable=True)

    @dy.rule()
    def score_equals_components(cls) -> pl.Expr:
        """`power_user_score` is the weighted sum of its three weights."""
        return rules.score_equals_components()

    @dy.rule()
    def tier_agrees_with_score(cls) -> pl.Expr:
        """`power_user_tier` is the tier of the score."""
        return rules.tier_agrees_with_score()

    @dy.rule()
    def level_agrees_with_thresholds(cls) -> pl.Expr:
        """`engagement_level` is what its thresholds say."""
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
        """Queries are the sum of the three types."""
        return pl.col("total_queries") == pl.sum_horizontal(
            "assistant_queries", "vault_queries", "workflow_queries"
        )

    @dy.rule()
    def activity_is_whole(cls) -> pl.Expr:
        """Queries, active days, firm and activity dates are all there or all absent."""
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
        """Activity dates lie in the 30 days that end on `date`."""
        first, last = pl.col("first_activity_date"), pl.col("last_activity_date")
        return first.is_null() | (
            (first <= last)
            & (last <= pl.col("date"))
            & (first > pl.col("date") - pl.duration(days=WINDOW_DAYS))
        )


class DailyFirmUsageSummary(dy.Schema):
    """One row per (`date`, `firm_id`), valid that day or active in the trailing 30 days."""

    date = c.day("The day, and last day of the trailing 30-day window.", key=True)
    firm_id = c.text("Firm.", key=True)
    active_users = c.count("Users active on `date`.")
    total_queries = c.count("Queries on `date`.")
    assistant_queries = c.count("Queries of type ASSISTANT on `date`.")
    vault_queries = c.count("Queries of type VAULT on `date`.")
    workflow_queries = c.count("Queries of type WORKFLOW on `date`.")
    total_documents_processed = c.count("Documents processed on `date`.")
    avg_feedback_score = c.number(
        "Mean score over the day's scored events; null if none.", minimum=1.0, maximum=5.0
    )
    avg_documents_per_query = c.number("The day's documents per query; null without queries.")
    queries_per_active_user = c.number("The day's queries per active user; null without any.")
    firm_usage_pattern = c.label("Which event type leads on `date`.", USAGE_PATTERNS)
    daily_adoption_rate = c.number("100 x `active_users` / `firm_size`; may exceed 100.")
    active_users_30d = c.count("Users active in the window.")
    total_queries_30d = c.count("Queries in the window.")
    firm_usage_pattern_30d = c.label("Which event type leads in the window.", USAGE_PATTERNS)
    avg_feedback_score_30d = c.number(
        "Mean score over the window's scored events; null if none.", minimum=1.0, maximum=5.0
    )
    queries_per_active_user_30d = c.number("The window's queries per active user.")
    adoption_rate_30d = c.number("100 x `active_users_30d` / `firm_size`; may exceed 100.")
    firm_size = dy.Int32(min=0, nullable=True, description="Provisioned seats as of `date`.")
    arr_usd = c.number("Annual contract value as of `date`, USD.")
    firm_created_date = c.day("Creation date as of `date`.", nullable=True)
    days_since_firm_creation = dy.Int32(
        nullable=True, description="Days from `firm_created_date` to `date`."
    )
    arr_per_active_user_30d = c.number("`arr_usd` per user active in the window, USD.")
    unused_seats_30d = c.count("Seats without a user active in the window.", nullable=True)
    adoption_level = c.label("Level of `adoption_rate_30d`.", ADOPTION_LEVELS, nullable=True)
    firm_health_status = c.label(
        "Health by the window's feedback and queries per active user.", FIRM_HEALTH_STATUSES
    )
    firm_maturity_stage = c.label(
        "Stage by `days_since_firm_creation`.", FIRM_MATURITY_STAGES, nullable=True
    )
    firm_size_category = c.label("Category of `firm_size`.", FIRM_SIZE_CATEGORIES, nullable=True)
    arr_tier = c.label("Tier of `arr_usd`.", ARR_TIERS, nullable=True)

    @dy.rule()
    def queries_add_up_by_type(cls) -> pl.Expr:
        """Queries are the sum of the three types."""
        return pl.col("total_queries") == pl.sum_horizontal(
            "assistant_queries", "vault_queries", "workflow_queries"
        )

    @dy.rule()
    def day_within_window(cls) -> pl.Expr:
        """The day's users and queries are no more than the window's."""
        return (pl.col("active_users") <= pl.col("active_users_30d")) & (
            pl.col("total_queries") <= pl.col("total_queries_30d")
        )

    @dy.rule()
    def window_pattern_agrees_with_queries(cls) -> pl.Expr:
        """`firm_usage_pattern_30d` is No Usage without queries, the day's if it has them all."""
        day, window = (
            pl.col(name).cast(pl.String)
            for name in ("firm_usage_pattern", "firm_usage_pattern_30d")
        )
        queries = pl.col("total_queries_30d")
        has_all = pl.col("total_queries") == queries
        return ((queries == 0) == (window == "No Usage")) & (~has_all | (window == day))

    @dy.rule()
    def adoption_level_agrees_with_rate(cls) -> pl.Expr:
        """`adoption_level` is the level of `adoption_rate_30d`."""
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

    date = c.day("The day.", key=True)
    is_covered = c.flag("Whether the landing folder covers the day's events.")
    is_volume_usual = dy.Bool(
        nullable=True,
        description="Whether `total_events` is half to double the median of the four latest "
        "covered days of the same weekday in the 56 days before; null where there are fewer than "
        "four, false where `date` is not covered.",
    )
    total_events = c.count("Events dated `date`.")
    active_users = c.count("Users with an event.")
    active_firms = c.count("Firms with an event.")
    total_documents = c.count("Documents processed.")
    avg_feedback_score = c.number(
        "Mean score over scored events; null if none.", minimum=1.0, maximum=5.0
    )
    assistant_events = c.count("Events of type ASSISTANT.")
    vault_events = c.count("Events of type VAULT.")
    workflow_events = c.count("Events of type WORKFLOW.")
    scored_events = c.count("Events with a feedback score.")
    high_satisfaction_events = c.count("Scored events of 4 or more.")
    low_satisfaction_events = c.count("Scored events of 2 or less.")

    @dy.rule()
    def events_add_up_by_type(cls) -> pl.Expr:
        """Events are the sum of the three types."""
        return pl.col("total_events") == pl.sum_horizontal(
            "assistant_events", "vault_events", "workflow_events"
        )

    @dy.rule()
    def uncovered_days_are_not_usual(cls) -> pl.Expr:
        """`is_volume_usual` is false where the day is not covered."""
        return pl.col("is_covered") | pl.col("is_volume_usual").eq_missing(pl.lit(value=False))


class HarveyAnalyticsDashboard(DailyEventSummary):
    """One row per `date`: the KPIs of the day and of the 30 days that end on it."""

    assistant_percent = c.percent("Share of ASSISTANT in `total_events`")
    vault_percent = c.percent("Share of VAULT in `total_events`")
    workflow_percent = c.percent("Share of WORKFLOW in `total_events`")
    high_satisfaction_rate = c.percent("Share of `scored_events` of 4 or more")
    low_satisfaction_rate = c.percent("Share of `scored_events` of 2 or less")
    events_per_user = c.number("Events per user active on `date`.")
    documents_per_user = c.number("Documents per user active on `date`.")
    documents_per_event = c.number("Documents per event.")
    dau = c.count("Users active on `date`.")
    wau = c.count("Users active in the 7 days that end on `date`.")
    mau = c.count("Users active in the 30 days that end on `date`.")
    stickiness = c.percent("`dau` of `mau`")
    power_users = c.count("Users of tier Power User.")
    high_value_users = c.count("Users of tier High Value User.")
    medium_value_users = c.count("Users of tier Medium Value User.")
    low_value_users = c.count("Users of tier Low Value User.")
    inactive_users = c.count("Users of tier Inactive User.")
    power_user_rate = c.percent("`power_users` of `mau`")
    avg_power_score = c.number("Mean `power_user_score` of users active in the window.")
    avg_queries_per_user = c.number("Mean `total_queries` of users active in the window.")
    avg_active_days_per_user = c.number("Mean `active_days` of users active in the window.")
    avg_user_feedback = c.number(
        "Mean of users' `avg_feedback_score` in the window.", minimum=1.0, maximum=5.0
    )
    feature_adoption_rate = c.percent("Users of 2 or more event types of `mau`")
    avg_firm_feedback = c.number(
        "Mean of the day's `avg_feedback_score` of firms active on `date`.",
        minimum=1.0,
        maximum=5.0,
    )
    avg_firm_adoption_rate = c.number("Mean `daily_adoption_rate` of firms active on `date`.")
    excellent_firms = c.count("Firms of health Excellent.")
    good_firms = c.count("Firms of health Good.")
    fair_firms = c.count("Firms of health Fair.")
    needs_attention_firms = c.count("Firms of health Needs Attention.")
    critical_firms = c.count("Firms of health Critical.")
    new_users = c.count("Of `mau`: accounts created in the window.")
    returning_users = c.count("Of `mau`: the rest.")
    power_user_retention = c.percent("Power users of 30 days before who still are")
    users_moved_up = c.count("Users whose tier is better than 30 days before.")
    users_moved_down = c.count("Users whose tier is worse than 30 days before.")
    growth_trend = c.label(
        "Change of `power_users` against 30 days before; needs 60 covered days, and 20 then.",
        GROWTH_TRENDS,
    )
    usage_volume_category = c.label("Category of `total_events`.", USAGE_VOLUME_CATEGORIES)

    @dy.rule()
    def percentages_sum_to_100(cls) -> pl.Expr:
        """The shares of the three event types sum to 100."""
        total = pl.sum_horizontal("assistant_percent", "vault_percent", "workflow_percent")
        return (pl.col("total_events") == 0) | ((total - 100).abs() < 1e-9)

    @dy.rule()
    def users_nest(cls) -> pl.Expr:
        """`dau` <= `wau` <= `mau`."""
        return rules.actives_nest()

    @dy.rule()
    def users_split_into_new_and_returning(cls) -> pl.Expr:
        """`mau` = `new_users` + `returning_users`."""
        return pl.col("mau") == pl.col("new_users") + pl.col("returning_users")

    @dy.rule()
    def dau_equals_active_users(cls) -> pl.Expr:
        """`dau` = `active_users`."""
        return pl.col("dau") == pl.col("active_users")


class TierChanges(dy.Schema):
    """One row per (`date`, `user_id`) of another tier than 30 days before, with what moved it."""

    date = c.day("Last day of the trailing 30-day window.", key=True)
    user_id = c.text("User, with a score on `date` and 30 days before.", key=True)
    firm_id = c.text("Firm with most queries in the window; null if inactive.", nullable=True)
    tier_before = c.label("Tier 30 days before.", POWER_USER_TIERS)
    tier_now = c.label("Tier on `date`.", POWER_USER_TIERS)
    direction = c.label("Whether the tier is a better one now.", DIRECTIONS)
    score_before = _score("`power_user_score` 30 days before.")
    score_now = _score("`power_user_score` on `date`.")
    active_days_weight_before = c.weight("Active days 30 days before.", _SIX_STEPS)
    active_days_weight_now = c.weight("Active days on `date`.", _SIX_STEPS)
    document_volume_weight_before = c.weight("Documents 30 days before.", _SIX_STEPS)
    document_volume_weight_now = c.weight("Documents on `date`.", _SIX_STEPS)
    feature_breadth_weight_before = c.weight("Event types 30 days before.", _BREADTH_STEPS)
    feature_breadth_weight_now = c.weight("Event types on `date`.", _BREADTH_STEPS)
    main_component = c.label(
        "What moved the score most that way, by its weighted points; of several the first.",
        SCORE_COMPONENTS,
    )
    measure_before = c.count("Active days, documents or event types behind it 30 days before.")
    measure_now = c.count("Active days, documents or event types behind it on `date`.")

    @dy.rule()
    def scores_equal_components(cls) -> pl.Expr:
        """Both scores are the weighted sums of their three weights."""
        return rules.score_equals_components("score_before", "_before") & (
            rules.score_equals_components("score_now", "_now")
        )

    @dy.rule()
    def tiers_agree_with_scores(cls) -> pl.Expr:
        """Both tiers are the tiers of their scores."""
        return rules.tier_agrees_with_score("tier_before", "score_before") & (
            rules.tier_agrees_with_score("tier_now", "score_now")
        )

    @dy.rule()
    def direction_agrees_with_scores(cls) -> pl.Expr:
        """The tier changed, upwards with a higher score, downwards with a lower one."""
        is_up = pl.col("direction").cast(pl.String) == "up"
        before, now = (pl.col(name).cast(pl.String) for name in ("tier_before", "tier_now"))
        scores = pl.col("score_now") - pl.col("score_before")
        return (before != now) & (scores != 0) & (is_up == (scores > 0))

    @dy.rule()
    def main_component_moved_most(cls) -> pl.Expr:
        """No component moved the score further that way, none before it as far."""
        is_up = pl.col("direction").cast(pl.String) == "up"
        moved = [
            (pl.col(f"{name}_now") - pl.col(f"{name}_before")).cast(pl.Int32)
            * tenths
            * pl.when(is_up).then(1).otherwise(-1)
            for name, tenths in zip(SCORE_COMPONENTS, (4, 3, 3), strict=True)
        ]
        is_main = [pl.col("main_component").cast(pl.String) == name for name in SCORE_COMPONENTS]
        return pl.any_horizontal(
            is_main[place]
            & pl.all_horizontal(moved[place] > 0, *(moved[place] >= other for other in moved))
            & pl.all_horizontal(
                pl.lit(value=True), *(moved[place] > other for other in moved[:place])
            )
            for place in range(len(moved))
        )


class _ActiveCounts(dy.Schema):
    """Columns of entities counted by when they were last active."""

    dau = c.count("Active on `date`.")
    wau = c.count("Active in the 7 days that end on `date`.")
    mau = c.count("Active in the 30 days that end on `date`.")
    stickiness = c.percent("`dau` of `mau`")

    @dy.rule()
    def actives_nest(cls) -> pl.Expr:
        """`dau` <= `wau` <= `mau`."""
        return rules.actives_nest()


class _GrowthCounts(dy.Schema):
    """Columns of entities counted by where the active ones of 28 days came from."""

    active = c.count("Active in the 28 days that end on `date`.")
    previous_active = c.count("Active in the 28 days before those.")
    new = c.count("Of `active`: never active before these 28 days.")
    retained = c.count("Of `active`: active in the previous 28 days too.")
    resurrected = c.count("Of `active`: active before, but not in the previous 28 days.")
    churned = c.count("Of `previous_active`: not `active`.")
    quick_ratio = c.number("(`new` + `resurrected`) / `churned`; null where none churned.")
    growth_rate = c.number(
        "100 x (`active` - `previous_active`) / `previous_active`; null where none was active.",
        minimum=-100.0,
    )

    @dy.rule()
    def active_is_new_retained_or_resurrected(cls) -> pl.Expr:
        """`active` = `new` + `retained` + `resurrected`."""
        return pl.col("active") == pl.sum_horizontal("new", "retained", "resurrected")

    @dy.rule()
    def change_is_gains_less_losses(cls) -> pl.Expr:
        """`active` - `previous_active` = `new` + `resurrected` - `churned`."""
        change = pl.col("active") - pl.col("previous_active")
        return change == pl.col("new") + pl.col("resurrected") - pl.col("churned")


class _DayAndGrain(dy.Schema):
    """Key of what is counted on a day, for users and for firms."""

    date = c.day("The day, and last day of every window.", key=True)
    grain = c.label("What is counted: users or firms.", GRAINS, key=True)


class _DayAndSegment(dy.Schema):
    """Key of what is counted on a day, by a value of an attribute."""

    date = c.day("The day, and last day of every window.")
    grain = c.label("What is counted: users or firms.", GRAINS)
    segment = c.label("Attribute by which they are split, as of `date`.", SEGMENTS)
    segment_value = c.text("Value of the attribute; null where it is unknown.", nullable=True)

    @dy.rule()
    def segment_belongs_to_grain(cls) -> pl.Expr:
        """Users are split by role, firms by size and contract value."""
        is_user = pl.col("grain").cast(pl.String) == "user"
        return is_user == (pl.col("segment").cast(pl.String) == "user_role")


class UsageBySegment(_DayAndSegment, _ActiveCounts, _GrowthCounts):
    """One row per (`date`, `grain`, `segment`, `segment_value`) active in the trailing 56 days."""


class GrowthAccounting(_DayAndGrain, _GrowthCounts):
    """One row per (`date`, `grain`): where the active users, or firms, of 28 days came from."""

    is_history_short = c.flag(
        "Whether the 56 days begin before the first covered day of events, so that `new` counts "
        "who was only first seen."
    )


class ActiveUsage(_DayAndGrain, _ActiveCounts):
    """One row per (`date`, `grain`): daily, weekly and monthly active users, or firms."""


class PowerCurve(dy.Schema):
    """One row per (`date`, `window_days`, `active_days`): users active on just so many days."""

    date = c.day("Last day of the window.", key=True)
    window_days = dy.Int16(
        primary_key=True,
        is_in=(WEEK_DAYS, GROWTH_DAYS),
        description="Length of the window: 7 or 28 days.",
    )
    active_days = dy.Int16(
        primary_key=True,
        min=1,
        max=GROWTH_DAYS,
        description="Days of the window with a query, from 1 to `window_days`.",
    )
    users = c.count("Users active on exactly `active_days` days of the window.")
    users_percent = c.percent("Share of `users` in all users active in the window")

    @dy.rule()
    def active_days_within_window(cls) -> pl.Expr:
        """No point lies beyond its window."""
        return pl.col("active_days") <= pl.col("window_days")
