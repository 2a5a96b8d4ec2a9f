"""Labels and starts: of what several drops say of the same, the latest counts."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.segments.sources import INTERVENTIONS, SEGMENT_LABELS
from harvey_pipeline.segments.tables.access import INTERVENTION_STARTS, LABELS_TABLE
from harvey_pipeline.segments.transforms.deliveries import settle_labels, settle_starts
from harvey_pipeline_tests.segments.signins import DAY, Row, raw


def after(days: int) -> date:
    return DAY + timedelta(days=days)


def label(said: str, drop: int = 0, user: str = "u1", by: str = "", day: int = 0) -> Row:
    """A label of a day, as the drop so many days after the first shows it."""
    return {
        "drop_date": after(drop),
        "user_id": user,
        "label": said,
        "event_date": after(day),
        "labelled_by": by,
    }


def start(
    group: str = "treatment",
    drop: int = 0,
    kind: str = "training",
    satisfaction: float | None = None,
    hours: float | None = None,
) -> Row:
    return {
        "drop_date": after(drop),
        "user_id": "u1",
        "event_date": DAY,
        "kind": kind,
        "group": group,
        "satisfaction": satisfaction,
        "reported_hours_saved": hours,
    }


def labels_of(rows: Sequence[Row], days: Sequence[date] = (DAY,)) -> list[tuple[Any, ...]]:
    found = pl.concat(piece.collect() for piece in settle_labels(raw(SEGMENT_LABELS, rows), days))
    assert dict(found.schema) == LABELS_TABLE.polars_schema
    LABELS_TABLE.schema.validate(found)
    return found.rows()


def starts_of(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    found = pl.concat(piece.collect() for piece in settle_starts(raw(INTERVENTIONS, rows), [DAY]))
    assert dict(found.schema) == INTERVENTION_STARTS.polars_schema
    INTERVENTION_STARTS.schema.validate(found)
    return found.drop("date", "user_id").rows()


def test_of_a_label_in_several_drops_the_latest_counts() -> None:
    rows = [label("power"), label("casual", drop=30), label("regular", drop=4)]
    assert labels_of(rows) == [(DAY, "u1", "", "casual")]


def test_labels_of_another_person_user_or_day_stand_beside_it() -> None:
    rows = [
        label("power", by="Bo"),
        label("review", by="Ann", drop=1),
        label("casual", user="u0", drop=2),
        label("regular", by="Bo", drop=3, day=1),
    ]
    assert labels_of(rows, [DAY, after(1)]) == [
        (DAY, "u0", "", "casual"),
        (DAY, "u1", "Ann", "review"),
        (DAY, "u1", "Bo", "power"),
        (after(1), "u1", "Bo", "regular"),
    ]


@pytest.mark.parametrize(("drop", "expected"), [(30, "casual"), (31, "power")])
def test_a_label_is_changed_within_its_late_window(drop: int, expected: str) -> None:
    assert labels_of([label("power"), label("casual", drop=drop)])[0][-1] == expected


def test_a_survey_comes_with_a_later_drop_of_the_same_start() -> None:
    rows = [start(), start("control", drop=120, satisfaction=4.5, hours=6.0), start(drop=1)]
    assert starts_of(rows) == [("training", "control", 4.5, 6.0)]


def test_the_latest_drop_counts_as_a_whole() -> None:
    assert starts_of([start(satisfaction=4.0), start(drop=9)]) == [
        ("training", "treatment", None, None)
    ]


@pytest.mark.parametrize(("drop", "group"), [(120, "control"), (121, "treatment")])
def test_a_start_is_changed_within_its_late_window(drop: int, group: str) -> None:
    assert starts_of([start(), start("control", drop=drop)])[0][1] == group


def test_starts_of_two_kinds_are_two() -> None:
    rows = [start(), start("control", kind="coaching")]
    assert [row[:2] for row in starts_of(rows)] == [
        ("coaching", "control"),
        ("training", "treatment"),
    ]


def test_without_labels_there_are_no_rows() -> None:
    assert labels_of([]) == []
    assert labels_of([label("power")], [after(1)]) == []
    assert starts_of([]) == []


def test_any_cut_of_the_days_gives_the_same_labels() -> None:
    days = [after(offset) for offset in range(60)]
    rows = [
        label(said, drop=day + late, day=day)
        for day in range(60)
        for said, late in (("power", 0), ("casual", day % 31))
        if late or said == "power"
    ]
    # Of the days 0 and 31 only the first label came.
    expected = [(after(day), "u1", "", "power" if day % 31 == 0 else "casual") for day in range(60)]
    assert labels_of(rows, days) == expected
    assert [row for day in days for row in labels_of(rows, [day])] == expected
