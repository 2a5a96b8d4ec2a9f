"""What tests of landing share."""

from typing import Any

import pytest

from harvey_pipeline.landing import parts
from harvey_pipeline.landing.judge import Judged, judge
from harvey_pipeline.landing.records import Delivery
from harvey_pipeline.landing.source import Source


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are judged, as they are."""
    names: list[str] = []

    def note(source: Source, delivery: Delivery, *rest: Any) -> Judged:
        names.append(delivery.name)
        return judge(source, delivery, *rest)

    monkeypatch.setattr(parts, "judge", note)
    return names
