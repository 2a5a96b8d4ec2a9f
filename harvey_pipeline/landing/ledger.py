"""The ledger of what was delivered, and what was rejected: two tables for all sources."""

from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Table


class Drops(dy.Schema):
    """One row per (`source`, `drop_date`) that was run: the ledger of what was delivered."""

    source = c.text("Name of the source.", key=True)
    drop_date = c.day("Day of the drop.", key=True)
    file = c.text(
        "File, or folder of parts, relative to the landing folder; null if nothing covers.",
        nullable=True,
    )
    form = c.text("drop, bulk or none.")
    bytes = c.count("Size of the file or of all parts as delivered, bytes.", nullable=True)
    fingerprint = c.text(
        "SHA-256 of the file's content, or over names and contents of the parts.", nullable=True
    )
    rows_read = c.count("Records read.")
    rows_accepted = c.count("Records accepted, repaired ones included.")
    rows_repaired = c.count("Records accepted after a repair.")
    rows_rejected = c.count("Records kept in quarantine only.")
    rows_erased = c.count("Records of erased people, of which nothing is kept.")
    is_observed = c.flag("Whether the day counts as seen (for events: covered).")
    data_file = c.text("Parquet file of the accepted rows in the raw store.", nullable=True)
    loaded_at = c.moment("When this drop was loaded, UTC.")

    @dy.rule()
    def rows_conserved(cls) -> pl.Expr:
        """Rows read are rows accepted, rows rejected, and rows of the erased."""
        return pl.col("rows_read") == pl.sum_horizontal(
            "rows_accepted", "rows_rejected", "rows_erased"
        )


class Quarantine(dy.Schema):
    """One row per record that was rejected or repaired, verbatim, with every reason."""

    source = c.text("Name of the source.")
    drop_date = c.day("Day of the drop; null if a bulk row's day cannot be read.", nullable=True)
    file = c.text("File, of a folder the part, relative to the landing folder.")
    line_number = c.count("Line on which the record starts (row number in Parquet).", minimum=1)
    action = c.text("rejected or repaired.")
    reasons = dy.List(
        dy.String(nullable=False), nullable=False, description="Every reason that applies."
    )
    record = c.text("Fields as text, a JSON object by header; the raw line where they blur.")


DROPS: Final = Table("raw.drops", Drops, "drop_date")
QUARANTINE: Final = Table("raw.quarantine", Quarantine, "drop_date")


def drops_of(source: str) -> Table:
    """One source's part of the ledger, which is a table in the record of commits only.

    A commit of it says that a day's drop was loaded, or loaded anew: its rows in the ledger and in
    quarantine may be others, whether or not the accepted ones are.
    """
    return Table(f"{DROPS}/{source}", Drops, "drop_date")
