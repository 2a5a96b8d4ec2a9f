"""The subject's assets, a file per layer: wiring only. Each hands its inputs to a transform."""

from typing import Final

from harvey_pipeline.graph.assets import TableAsset
from harvey_pipeline.segments.assets import access, evaluation, opinions, outcomes, scores, segments

ASSETS: Final[tuple[TableAsset, ...]] = (
    *access.ASSETS,
    *scores.ASSETS,
    *segments.ASSETS,
    *outcomes.ASSETS,
    *evaluation.ASSETS,
    *opinions.ASSETS,
)
