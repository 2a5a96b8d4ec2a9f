"""A library's loans: the smallest subject that has everything, declared as any other."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from harvey_pipeline.graph.assets import reads, table_asset
from harvey_pipeline.history import Dimension
from harvey_pipeline.landing.readers import ID, TEXT, TIMESTAMP, WHOLE_NUMBER
from harvey_pipeline.landing.repeats import latest_deliveries
from harvey_pipeline.landing.source import Column, Source
from harvey_pipeline.subject import SampleWriter, Subject
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.days import DayRange, is_dated
from harvey_pipeline.warehouse.table import Table

AT = Column("at", "at", TIMESTAMP, "When it happened, UTC.", "timestamp")
SHELF = Column("shelf", "shelf_id", ID, "Shelf.", "shelf")
ROOM = Column("room", "room", TEXT, "Room in which it stands.", "room", missing="keep")
PAGES = Column("pages", "pages", WHOLE_NUMBER, "Pages read.", "pages", missing="repair")
STARS = Column("stars", "stars", WHOLE_NUMBER, "Stars given.", "stars")
LOAN = Column("id", "loan_id", ID, "Loan.", "id")
REVIEW = Column("id", "review_id", ID, "Review.", "id")
SHELVES = Source("shelves", "snapshot", (SHELF, ROOM), ("shelf_id",), None, "a shelf")
LOANS = Source("loans", "events", (LOAN, AT, SHELF, PAGES), ("loan_id",), "at", "a loan", 1)
REVIEWS = Source("reviews", "changes", (REVIEW, AT, STARS), ("review_id",), "at", "a review", 2)


class DimShelf(dy.Schema):
    """One row per (`shelf_id`, `effective_start_date`): a shelf's versions over time."""

    shelf_dim_key = c.text("Surrogate key.")
    shelf_id = c.text("Shelf.", key=True)
    room = c.text("Room in this version.", nullable=True)
    effective_start_date = c.day("First day of the version.", key=True)
    effective_end_date = c.day("Last day of the version, inclusive.")
    is_current = c.flag("Whether the version is still open.")


class Circulation(dy.Schema):
    """One row per `date`: what was lent, and how it was reviewed."""

    date = c.day("The day.", key=True)
    loans = c.count("Loans on `date`.")
    stars = c.count("Stars of reviews written on `date`.")


DIM_SHELF = Table("library.dim_shelf", DimShelf)
CIRCULATION = Table("library.circulation", Circulation, "date")
SHELF_HISTORY = Dimension(
    "shelf", DIM_SHELF, "shelves", ("shelf_id",), {"room": pl.col("room")}, None, "shelf_dim_key"
)


@table_asset(
    CIRCULATION,
    {"raw_loans": reads(LOANS.table, after=1), "raw_reviews": reads(REVIEWS.table, after=2)},
)
def circulation(
    days: list[date], raw_loans: pl.LazyFrame, raw_reviews: pl.LazyFrame
) -> pl.LazyFrame:
    reviews = latest_deliveries(REVIEWS, raw_reviews).group_by("event_date")
    loans = raw_loans.group_by("event_date").agg(loans=pl.len().cast(pl.Int64))
    sums = loans.join(
        reviews.agg(pl.col("stars").cast(pl.Int64).sum()), "event_date", "full", coalesce=True
    )
    dated = sums.filter(is_dated(days[0], days[-1], "event_date"))
    return dated.rename({"event_date": "date"}).fill_null(0).sort("date")


def prepare_sample(out: Path, sizes: Mapping[str, Any]) -> SampleWriter:
    days = [date(2024, 4, 1) + timedelta(days=number) for number in range(sizes.get("days", 3))]
    return partial(write_sample, out, days)


def write_sample(out: Path, days: list[date], on_day: Callable[[date], None]) -> DayRange:
    for day in days:
        texts = {
            "shelves": f"shelf,room\ns1,hall\ns2,{'attic' if day.day > 1 else ''}\n",
            "loans": f"id,at,shelf,pages\na{day.day},{day} 09:00,s1,12\n,{day},s1,3\n",
            "reviews": f"id,at,stars\nr1,2024-04-01,{day.day + 1}\n",
        }
        for source, text in texts.items():
            (out / source).mkdir(parents=True, exist_ok=True)
            (out / source / f"{day}.csv").write_text(text)
        on_day(day)
    return DayRange(days[0], days[-1])


SUBJECT = Subject(
    name="tiny",
    title="What is lent, and how it is liked.",
    sources=(SHELVES, LOANS, REVIEWS),
    tables=(DIM_SHELF, CIRCULATION),
    dimensions=(SHELF_HISTORY,),
    assets=(circulation,),
    prepare_sample=prepare_sample,
)
