"""The dimensions, the versions behind them, and the sums of which customers are made."""

import dataframely as dy
import polars as pl

from harvey_pipeline.agents.tables.labels import CUSTOMER_SEGMENTS, MONTH_NAMES
from harvey_pipeline.history import OPEN_END
from harvey_pipeline.warehouse import columns as c


def _small(description: str, lowest: int, highest: int) -> dy.Int16:
    return dy.Int16(min=lowest, max=highest, nullable=False, description=description)


def _whole(description: str) -> dy.Int32:
    return dy.Int32(min=0, nullable=True, description=description)


def _maybe(description: str) -> dy.Bool:
    return dy.Bool(nullable=True, description=description)


class DimDate(dy.Schema):
    """One row per `date_actual`: the days of the calendar, to the end of the next year."""

    date_sk = dy.Int32(nullable=False, description="Key: YYYYMMDD.")
    date_actual = c.day("The day.", key=True)
    day_of_week = _small("ISO: 1 is Monday.", 1, 7)
    day_of_month = _small("Day of the month.", 1, 31)
    day_of_year = _small("Day of the year.", 1, 366)
    week_of_year = _small("ISO week.", 1, 53)
    iso_year = _small("Year to which the ISO week belongs.", 1969, 2300)
    month_number = _small("Month.", 1, 12)
    month_name = c.label("Month in English.", MONTH_NAMES)
    quarter = _small("Calendar quarter.", 1, 4)
    year = _small("Calendar year.", 1970, 2300)
    is_weekend = c.flag("Whether it is a Saturday or Sunday.")
    is_holiday = c.flag("Whether it is a public holiday, or one is observed on it.")
    holiday_name = c.text("The holiday; null on other days.", nullable=True)
    fiscal_year = _small("Calendar year in which the fiscal year ends.", 1970, 2300)
    fiscal_quarter = _small("Quarter of the fiscal year.", 1, 4)
    fiscal_period = _small("Month of the fiscal year.", 1, 12)

    @dy.rule()
    def holidays_have_names(cls) -> pl.Expr:
        """A day has the name of a holiday exactly where it is one."""
        return pl.col("is_holiday") == pl.col("holiday_name").is_not_null()


class ShopVersions(dy.Schema):
    """One row per (`shop_domain`, `effective_start_date`): a shop's versions over time."""

    shop_sk = c.text("Key: `<shop_domain>_<effective_start_date as YYYYMMDD>`.")
    shop_domain = c.text("Shop.", key=True)
    shop_name = c.text("Name.", nullable=True)
    shop_owner = c.text("Owner.", nullable=True)
    plan_type = c.text("Plan.", nullable=True)
    is_active = _maybe("Whether it is active.")
    country = c.text("Country.", nullable=True)
    timezone = c.text("Time zone.", nullable=True)
    monthly_orders = _whole("Orders a month.")
    total_products = _whole("Products.")
    effective_start_date = c.day("First day of the version.", key=True)
    effective_end_date = c.day("Last day of the version, inclusive; 9999-12-31 while open.")
    is_current = c.flag("Whether the version is still open.")


class CustomerVersions(dy.Schema):
    """One row per (`customer_email`, `shop_domain`, `effective_start_date`): versions over time."""

    customer_version = c.text(
        "Key: `<customer_email>_<shop_domain>_<effective_start_date as YYYYMMDD>`."
    )
    customer_email = c.text("Customer's e-mail address.", key=True)
    shop_domain = c.text("Shop.", key=True)
    customer_name = c.text("Name.", nullable=True)
    customer_type = c.text("Type.", nullable=True)
    order_count = _whole("Orders.")
    lifetime_value_usd = c.number("Value of all orders, USD.")
    effective_start_date = c.day("First day of the version.", key=True)
    effective_end_date = c.day("Last day of the version, inclusive; 9999-12-31 while open.")
    is_current = c.flag("Whether the version is still open.")


class AnnotatorVersions(dy.Schema):
    """One row per (`annotator_email`, `effective_start_date`): versions over time."""

    annotator_version = c.text("Key: `<annotator_email>_<effective_start_date as YYYYMMDD>`.")
    annotator_email = c.text("Annotator's e-mail address.", key=True)
    annotator_name = c.text("Name.", nullable=True)
    role = c.text("Role.", nullable=True)
    team = c.text("Team.", nullable=True)
    is_active = c.flag("Whether the annotator is active.")
    effective_start_date = c.day("First day of the version.", key=True)
    effective_end_date = c.day("Last day of the version, inclusive; 9999-12-31 while open.")
    is_current = c.flag("Whether the version is still open.")


class AgentTypeVersions(dy.Schema):
    """One row per (`agent_type_code`, `effective_start_date`): versions over time."""

    agent_type_version = c.text("Key: `<agent_type_code>_<effective_start_date as YYYYMMDD>`.")
    agent_type_code = c.text("Agent type.", key=True)
    agent_name = c.text("Name.", nullable=True)
    agent_category = c.text("Category.", nullable=True)
    model_version = c.text("Version of the model.", nullable=True)
    is_active = c.flag("Whether it is in use.")
    expected_avg_latency_ms = _whole("Expected mean latency, ms.")
    expected_approval_rate = c.number("Expected approval rate, percent.", maximum=100.0)
    supports_streaming = _maybe("Whether it streams its answers.")
    effective_start_date = c.day("First day of the version.", key=True)
    effective_end_date = c.day("Last day of the version, inclusive; 9999-12-31 while open.")
    is_current = c.flag("Whether the version is still open.")


class DimShop(dy.Schema):
    """One row per (`shop_domain`, `effective_date`): versions (SCD type 2), and unknown."""

    shop_sk = c.text("Key: `<shop_domain>_<effective_date as YYYYMMDD>`, or `unknown`.")
    shop_domain = c.text("Shop.", key=True)
    shop_name = c.text("Name.", nullable=True)
    shop_owner = c.text("Owner.", nullable=True)
    plan_type = c.text("Plan.", nullable=True)
    is_active = _maybe("Whether it is active.")
    country = c.text("Country.", nullable=True)
    timezone = c.text("Time zone.", nullable=True)
    monthly_orders = _whole("Orders a month.")
    total_products = _whole("Products.")
    effective_date = c.day("First day of the version.", key=True)
    expiration_date = c.day("Last day of the version, inclusive; null while open.", nullable=True)
    is_current = c.flag("Whether the version is still open.")

    @dy.rule()
    def starts_before_it_ends(cls) -> pl.Expr:
        """No version ends before it starts."""
        end = pl.col("expiration_date").fill_null(OPEN_END)
        return pl.col("effective_date") <= end

    @dy.rule()
    def current_exactly_while_open(cls) -> pl.Expr:
        """`is_current` is true exactly where `expiration_date` is null."""
        return pl.col("is_current") == pl.col("expiration_date").is_null()


class DimAgentType(dy.Schema):
    """One row per `agent_type_code`: those delivered, the built-in ones, and unknown."""

    agent_type_sk = c.text("Key: the code.")
    agent_type_code = c.text("Agent type.", key=True)
    agent_name = c.text("Name.", nullable=True)
    agent_category = c.text("Category.", nullable=True)
    model_version = c.text("Version of the model.", nullable=True)
    is_active = c.flag("Whether it is in use; false if departed.")
    expected_avg_latency_ms = _whole("Expected mean latency, ms.")
    expected_approval_rate = c.number("Expected approval rate, percent.", maximum=100.0)
    supports_streaming = _maybe("Whether it streams its answers.")
    effective_date = c.day("Start of the first version; null if built in.", nullable=True)
    last_updated = c.day("Start of the latest version; null if built in.", nullable=True)


class CustomerDaily(dy.Schema):
    """One row per (`date`, `customer_sk`) with a draft for a known customer."""

    date = c.day("The day.", key=True)
    customer_sk = c.text("Key of the customer: `<customer_email>|<shop_domain>`.", key=True)
    customer_email = c.text("Customer's e-mail address.")
    shop_domain = c.text("Shop as delivered, or `unknown`.")
    drafts = c.count("Drafts.", minimum=1)
    escalated_drafts = c.count("Drafts that the agent recommends to escalate.")
    customer_name = c.text("Name on the latest draft that has one.", nullable=True)


class DimCustomer(dy.Schema):
    """One row per (`customer_email`, `shop_domain`) with a draft or a version, and unknown."""

    customer_sk = c.text("Key: `<customer_email>|<shop_domain>`, or `unknown`.")
    customer_email = c.text("Customer's e-mail address.", key=True)
    shop_domain = c.text("Shop.", key=True)
    customer_name = c.text("Name of the version, else on the latest draft.", nullable=True)
    customer_type = c.text("Type; null without a version.", nullable=True)
    order_count = _whole("Orders; null without a version.")
    lifetime_value_usd = c.number("Value of all orders, USD; null without a version.")
    interactions = c.count("Drafts on all days.", nullable=True)
    interaction_days = c.count("Days with a draft.", nullable=True)
    first_interaction_date = c.day("First day with a draft; null if none.", nullable=True)
    last_interaction_date = c.day("Last day with a draft; null if none.", nullable=True)
    customer_segment = c.label("Segment as of the last day run.", CUSTOMER_SEGMENTS, nullable=True)


class DimAnnotator(dy.Schema):
    """One row per `annotator_email` with an annotation or a version, and unknown."""

    annotator_sk = c.text("Key: the e-mail address, or `unknown`.")
    annotator_email = c.text("Annotator's e-mail address.", key=True)
    annotator_name = c.text("Name.", nullable=True)
    role = c.text("Role.", nullable=True)
    team = c.text("Team.", nullable=True)
    is_active = _maybe("Whether active; false if departed, null for `unknown`.")
    total_annotations = c.count("Annotations on all days.")
    avg_quality_score = c.number(
        "Mean `overall_score` of all annotations that have one.", minimum=1.0, maximum=5.0
    )
    first_annotation_date = c.day("First day with an annotation; null if none.", nullable=True)
    last_annotation_date = c.day("Last day with an annotation; null if none.", nullable=True)
