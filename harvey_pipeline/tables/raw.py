"""What arrived: accepted rows of each drop, the ledger, and what was rejected."""

import dataframely as dy
import polars as pl

from harvey_pipeline.tables import columns as c
from harvey_pipeline.tables.labels import (
    EVENT_TYPES,
)


class RawUsers(dy.Schema):
    """One row per (`drop_date`, `user_id`): the accepted rows of each day's user snapshot."""

    drop_date = c.day("Day whose snapshot shows the user.", key=True)
    user_id = c.text("User, as delivered, blanks trimmed.", key=True)
    line_number = c.count("Line of the record in its file (row number in Parquet).", minimum=1)
    created_at = c.moment("When the account was created, UTC.")
    title = c.text("Job title as delivered, blanks trimmed.", nullable=True)


class RawFirms(dy.Schema):
    """One row per (`drop_date`, `firm_id`): the accepted rows of each day's firm snapshot."""

    drop_date = c.day("Day whose snapshot shows the firm.", key=True)
    firm_id = c.text("Firm, as delivered, blanks trimmed.", key=True)
    line_number = c.count("Line of the record in its file (row number in Parquet).", minimum=1)
    created_at = c.moment("When the firm became a customer, UTC.")
    firm_size = dy.Int32(min=0, nullable=False, description="Provisioned seats.")
    arr_usd = dy.Float64(min=0, nullable=False, description="Annual contract value, USD.")


class RawEvents(dy.Schema):
    """One row per accepted record of an event drop: (`drop_date`, `line_number`)."""

    drop_date = c.day("Day whose drop delivered the event.", key=True)
    line_number = dy.Int64(
        min=1,
        primary_key=True,
        description="Line of the record in its file (row number in Parquet).",
    )
    event_id = c.text("Event, where ids are delivered.", nullable=True)
    created_at = c.moment("When the query was made, UTC.")
    event_date = c.day("Date of `created_at`, UTC.")
    user_id = c.text("User who made the query.")
    firm_id = c.text("Firm for which it was made.")
    event_type = c.label("Feature that answered it.", EVENT_TYPES)
    num_docs = dy.Int32(min=0, nullable=False, description="Documents processed.")
    feedback_score = c.number(
        "User's score, 1 to 5; null if none usable.", minimum=1.0, maximum=5.0
    )

    @dy.rule()
    def event_not_after_drop(cls) -> pl.Expr:
        return pl.col("event_date") <= pl.col("drop_date")


class Drops(dy.Schema):
    """One row per (`source`, `drop_date`) that was run: the ledger of what was delivered."""

    source = c.text("users, firms or events.", key=True)
    drop_date = c.day("Day of the drop.", key=True)
    file = c.text("File relative to the landing folder; null if nothing covers.", nullable=True)
    form = c.text("drop, bulk or none.")
    bytes = c.count("Size of the file as delivered, bytes.", nullable=True)
    fingerprint = c.text("SHA-256 of the file's content.", nullable=True)
    rows_read = c.count("Records read.")
    rows_accepted = c.count("Records accepted, repaired ones included.")
    rows_repaired = c.count("Records accepted after a repair.")
    rows_rejected = c.count("Records kept in quarantine only.")
    is_observed = c.flag("Whether the day counts as seen (for events: covered).")
    data_file = c.text("Parquet file of the accepted rows in the raw store.", nullable=True)
    loaded_at = c.moment("When this drop was loaded, UTC.")

    @dy.rule()
    def rows_conserved(cls) -> pl.Expr:
        return pl.col("rows_read") == pl.col("rows_accepted") + pl.col("rows_rejected")


class Quarantine(dy.Schema):
    """One row per record that was rejected or repaired, verbatim, with every reason."""

    source = c.text("users, firms or events.")
    drop_date = c.day("Day of the drop; null if a bulk row's day cannot be read.", nullable=True)
    file = c.text("File relative to the landing folder.")
    line_number = c.count("Line on which the record starts (row number in Parquet).", minimum=1)
    action = c.text("rejected or repaired.")
    reasons = dy.List(
        dy.String(nullable=False), nullable=False, description="Every reason that applies."
    )
    record = c.text("Fields as text, a JSON object by header; the raw line where they blur.")
