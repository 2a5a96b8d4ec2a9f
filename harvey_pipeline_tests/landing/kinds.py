"""Small sources of the kinds that users, firms and events are not."""

from typing import Final

from harvey_pipeline.landing.readers import FLAG, ID, JSON, TEXT, TIMESTAMP, WHOLE_NUMBER
from harvey_pipeline.landing.source import Column, Source

SEATS: Final = Source(
    name="seats",
    kind="snapshot",
    row="a seat",
    key=("floor", "seat"),
    at=None,
    columns=(
        Column("floor", "floor", WHOLE_NUMBER, "Floor.", "floor"),
        Column("seat", "seat", ID, "Seat on its floor.", "seat"),
        Column("owner", "owner", TEXT, "Who sits there.", "owner", missing="keep"),
    ),
)
"""A snapshot without a timestamp, whose key has two columns."""

TICKETS: Final = Source(
    name="tickets",
    kind="changes",
    row="a ticket",
    key=("ticket_id",),
    at="changed_at",
    late_days=3,
    columns=(
        Column("id", "ticket_id", ID, "Ticket.", "id"),
        Column("changed", "changed_at", TIMESTAMP, "When it was changed.", "timestamp"),
        Column(
            "open", "is_open", FLAG, "Whether it is open.", "open", missing="keep", unusable="keep"
        ),
        Column(
            "more",
            "more",
            JSON,
            "All else.",
            "more",
            missing="keep",
            unusable="repair",
            is_required=False,
        ),
    ),
)
"""Changes: what was created or changed, day by day."""
