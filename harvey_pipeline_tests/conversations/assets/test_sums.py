"""The assets of the sums: each hands what it reads to its transform."""

from collections.abc import Mapping

import polars as pl
import pytest

from harvey_pipeline.conversations.assets.sums import ASSETS
from harvey_pipeline.graph.assets import ReadsSums, TableAsset
from harvey_pipeline.landing.sums import SumsOfRows
from harvey_pipeline.warehouse.warehouse import Pieces
from harvey_pipeline_tests.conversations.raw_events import (
    DAY,
    call,
    event,
    raw_events,
    said,
)

RAW = raw_events(
    said("a memo"), call("write", {"style": "dry"}, credits_consumed=2), event("completion")
)
BY_NAME = {asset.table.own_name: asset for asset in ASSETS}


def computed(asset: TableAsset) -> pl.LazyFrame:
    """What an asset makes of one day of three events."""
    inputs = {
        name: SumsOfRows(one.sums, RAW)
        if isinstance(one, ReadsSums)
        else computed(BY_NAME["conversation_daily"])
        for name, one in asset.inputs.items()
    }
    found = asset.compute(days=[DAY], **inputs)
    assert isinstance(found, Pieces)
    return pl.concat(found.plans)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conversation_daily", [{"events": 3, "creations": 1, "credits_used": 2}]),
        ("user_daily", [{"conversations": 1, "sessions": 1, "session_seconds": 120}]),
        ("tool_daily", [{"tool_name": "write", "calls": 1, "credits_used": 2}]),
        (
            "trait_daily",
            [{"kind": "preference", "name": "style=dry"}, {"kind": "prompt", "name": "a memo"}],
        ),
    ],
)
def test_what_an_asset_computes(name: str, expected: list[Mapping[str, object]]) -> None:
    found = computed(BY_NAME[name]).collect()
    assert dict(found.schema) == BY_NAME[name].table.polars_schema
    columns = list(expected[0])
    assert (
        found.with_columns(pl.selectors.enum().cast(pl.String))
        .select(columns)
        .sort(columns)
        .to_dicts()
        == expected
    )


@pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.table.own_name)
def test_events_are_read_of_the_late_window_too(asset: TableAsset) -> None:
    events = asset.inputs.get("sessions") or asset.inputs["events"]
    assert (events.table, events.before, events.after) == ("raw.raw_conversation_events", 0, 1)
    assert len({one.version for one in ASSETS}) == len(ASSETS)
