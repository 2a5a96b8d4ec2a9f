"""What a model's tokens cost: as configured, or by the list that comes with the library."""

import importlib
import math
from typing import Final

from harvey_pipeline.llm.settings import PRICE, Price, Provider
from harvey_pipeline.settings import SettingsError

_TOKENS: Final = 1_000
_BYTES_PER_TOKEN: Final = 3
"""Fewer than a token has in any language, so that what is expected of a call is not too little."""


def price_of(provider: Provider) -> Price:
    """The price of a provider's model.

    Raises:
        SettingsError: Nothing says it.
    """
    if provider.price is not None:
        return provider.price
    prices = importlib.import_module("genai_prices")
    try:
        # Some models cost more where a single call reads a great deal: a little is asked for.
        found = prices.calc_price(
            prices.Usage(input_tokens=_TOKENS, output_tokens=_TOKENS),
            model_ref=provider.model,
            provider_id=provider.name,
        )
    except LookupError:
        raise SettingsError(
            f"no price is known of {provider.model} of {provider.name}. Set {PRICE} to USD per "
            f"million tokens read and written, such as 0.25/2."
        ) from None
    million = 1_000_000 / _TOKENS
    return Price(float(found.input_price) * million, float(found.output_price) * million)


def expected_tokens(*texts: str) -> int:
    """About as many tokens as some texts are, and rather more."""
    return math.ceil(sum(len(text.encode()) for text in texts) / _BYTES_PER_TOKEN)
