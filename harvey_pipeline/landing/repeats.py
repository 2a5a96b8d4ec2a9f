"""What several drops deliver of the same record."""

from collections.abc import Sequence

import polars as pl

from harvey_pipeline.landing.source import EVENT_DATE, Source
from harvey_pipeline.warehouse.days import is_dated


def repeated_deliveries(source: Source, events: pl.LazyFrame) -> pl.LazyFrame:
    """(`drop_date`, `line_number`) of events that an earlier drop already delivered for their date.

    Only an event delivered late can repeat one of an earlier drop, so the search starts from the
    few late ones.
    """
    identity = identity_of(source)
    late = (
        events.filter((pl.col(EVENT_DATE) < pl.col("drop_date")) & has_identity(identity))
        .select(*identity, "drop_date", "line_number")
        .collect(engine="streaming")
    )
    return repeats_among(identity, late, events)


def repeats_among(
    identity: Sequence[str], late: pl.DataFrame, events: pl.LazyFrame
) -> pl.LazyFrame:
    """(`drop_date`, `line_number`) of late events that some events deliver by an earlier drop.

    Args:
        identity: The columns of an event's identity.
        late: Identity, `drop_date` and `line_number` of events that were delivered late.
        events: Rows with an identity and `drop_date`.
    """
    if late.is_empty():
        return late.lazy().select("drop_date", "line_number")
    dates = late[EVENT_DATE].unique().to_list()
    earlier = events.filter(is_dated(min(dates), max(dates), EVENT_DATE)).select(
        *identity, earlier_drop="drop_date"
    )
    return (
        late.lazy()
        .join(earlier, on=identity)
        .filter(pl.col("earlier_drop") < pl.col("drop_date"))
        .select("drop_date", "line_number")
        .unique()
    )


def first_deliveries(source: Source, events: pl.LazyFrame) -> pl.LazyFrame:
    """The events without those whose id an earlier drop delivered for the same date."""
    repeats = repeated_deliveries(source, events).collect(engine="streaming")
    if repeats.is_empty():
        return events
    is_late = pl.col(EVENT_DATE) < pl.col("drop_date")
    late = events.filter(is_late).join(repeats.lazy(), on=["drop_date", "line_number"], how="anti")
    return pl.concat([events.filter(~is_late), late])


def latest_deliveries(source: Source, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Of changes, one row per key and `event_date`: the one that the latest drop delivered.

    Rows without a key are all their own. Only the few rows that are delivered after their date can
    come in the place of another one, so only those are compared.
    """
    identity = identity_of(source)
    has_key = has_identity(identity)
    is_late = pl.col("drop_date") > pl.col(EVENT_DATE)
    is_latest = pl.col("drop_date") == pl.col("drop_date").max().over(identity)
    late = rows.filter(is_late)
    punctual = rows.filter(~is_late).join(late.select(identity), on=identity, how="anti")
    return pl.concat([punctual, late.filter(is_latest | ~has_key)])


def identity_of(source: Source) -> list[str]:
    """Columns that say which record of which date it is."""
    return list(dict.fromkeys((*source.key, EVENT_DATE)))


def has_identity(identity: Sequence[str]) -> pl.Expr:
    """Whether a row can be told apart from others at all."""
    return pl.all_horizontal(pl.col(name).is_not_null() for name in identity)


def are_distinct(rows: pl.DataFrame) -> bool:
    """Whether no two rows are alike.

    As many hashes as rows prove it, which costs a third of comparing the rows themselves.
    """
    row = pl.all() if rows.width == 1 else pl.struct(pl.all())
    hashes = rows.select(row.hash().n_unique()).item()
    return hashes == rows.height or rows.n_unique() == rows.height
