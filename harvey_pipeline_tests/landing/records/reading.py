"""What the tests of landing records share: a contract to ask for, and short ways to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from harvey_pipeline.landing.records import Delivery, LandingError, open_delivery


@dataclass(frozen=True)
class Column:
    """A column of a made-up contract."""

    delivered: str
    is_required: bool = True
    holds: Literal["text", "id", "json"] = "text"


THREE = (Column("id", holds="id"), Column("made"), Column("note"))
"""A contract of three required columns: what most tests ask for."""

Read = tuple[int, tuple[str | None, ...] | str]
"""Line number, and the fields or, where they cannot be told apart, the line."""


def records_of(delivery: Delivery) -> list[Read]:
    """The records of an opened file, in its order."""
    columns = [column for column, _ in delivery.header]
    return [
        (row["line_number"], tuple(row[column] for column in columns))
        if row["fault"] is None
        else (row["line_number"], row["line"])
        for row in delivery.records.collect().to_dicts()
    ]


def read(
    root: Path,
    content: str | bytes,
    name: str = "things.csv",
    columns: Sequence[Column] = THREE,
) -> list[Read]:
    """The records of a file with this content."""
    path = root / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with open_delivery(columns, f"landing/{name}", path, root) as delivery:
        return records_of(delivery)


def error_of(
    root: Path,
    content: str | bytes,
    name: str = "things.csv",
    columns: Sequence[Column] = THREE,
) -> str:
    """The error that a file with this content gives; it names the file."""
    with pytest.raises(LandingError) as caught:
        read(root, content, name, columns)
    assert f"landing/{name}" in str(caught.value)
    return str(caught.value)
