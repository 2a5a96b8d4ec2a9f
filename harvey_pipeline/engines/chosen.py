"""The engine that the settings choose."""

from functools import cache

from harvey_pipeline.engines.engine import Engine
from harvey_pipeline.engines.one_machine import OneMachine


@cache
def engine_at(address: str) -> Engine:
    """The engine at an address: this machine without one, else Spark, `sc://...` or a master."""
    if not address:
        return OneMachine()
    from harvey_pipeline.engines.spark import Spark

    return Spark(address)
