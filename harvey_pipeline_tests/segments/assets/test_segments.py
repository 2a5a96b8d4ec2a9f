"""What the weekly segments read, and that markers, calendar and settings reach them."""

from datetime import timedelta
from pathlib import Path

import polars as pl

from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.segments.assets.segments import ASSETS, user_segments
from harvey_pipeline.segments.tables.segments import MARKED
from harvey_pipeline.warehouse.warehouse import Pieces
from harvey_pipeline_tests.builders import landing_file, raw_store
from harvey_pipeline_tests.segments.transforms.weeks import (
    FIRST_DAY,
    MONDAY,
    label_frame,
    score_frame,
    tenant_frame,
    weekly,
)


def test_it_reads_the_mondays_that_memory_asks_for() -> None:
    assert (user_segments,) == ASSETS
    read = {one.table: (one.before, one.after) for one in user_segments.inputs.values()}
    assert read == {
        "segments.engagement_scores": (112, 0),
        "segments.tenant_engagement": (749, 0),
        "segments.labels": (89, 0),
    }


def held_back(root: Path, calendar: Calendar) -> set[bool]:
    """Whether twenty users are held back who all change on MONDAY."""
    users = [
        one | {"user_id": f"u{number:02}"}
        for number in range(20)
        for one in weekly(["regular"] * 5 + ["power"] * 3)
    ]
    made = user_segments.compute(
        days=[MONDAY],
        scores=score_frame(users),
        tenants=tenant_frame([]),
        labels=label_frame([]),
        raw_store=raw_store(root),
        calendar=calendar,
    )
    assert isinstance(made, Pieces)
    return set(pl.concat(made.plans).collect()["is_held_back"])


def test_a_marker_in_the_landing_folder_lets_a_mass_change_through(tmp_path: Path) -> None:
    assert held_back(tmp_path, Calendar(FIRST_DAY, None)) == {True}
    landing_file(tmp_path, f"{MARKED}/{MONDAY}.accept")
    assert held_back(tmp_path, Calendar(FIRST_DAY, None)) == {False}


def test_the_calendar_says_from_when_on_changes_count(tmp_path: Path) -> None:
    late = Calendar(MONDAY - timedelta(days=95), None)
    assert held_back(tmp_path, late) == {False}
