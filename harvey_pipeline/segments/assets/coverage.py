"""Which days are covered, of events as another subject's table tells and of sign-ins."""

from datetime import date

import polars as pl

from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.segments.sources import SSO_EVENTS
from harvey_pipeline.warehouse.days import DayRange


def covered_days(event_summary: pl.LazyFrame, raw_store: RawStore, window: DayRange) -> set[date]:
    """The days of a window that events or sign-ins cover."""
    of_events = event_summary.filter("is_covered").select("date").collect()["date"]
    of_sign_ins = raw_store.observed_days(SSO_EVENTS, window)["day"]
    return {*of_events, *of_sign_ins}
