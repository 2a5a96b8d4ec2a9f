"""The subject's assets, a file per layer: wiring only. Each hands its inputs to a transform."""

from typing import Final

from harvey_pipeline.conversations.assets import conversations, marts, sums, users
from harvey_pipeline.graph.assets import TableAsset

ASSETS: Final[tuple[TableAsset, ...]] = (
    *sums.ASSETS,
    *conversations.ASSETS,
    *users.ASSETS,
    *marts.ASSETS,
)
