"""From one landing file to records of text, for any source; what a text means is the reader's.

`open_delivery` opens a file of any form; `Delivery` is what comes of it.
"""

from harvey_pipeline.landing.records.contract import Delivery, LandingError, WantedColumn
from harvey_pipeline.landing.records.delivery import open_delivery

__all__ = ["Delivery", "LandingError", "WantedColumn", "open_delivery"]
