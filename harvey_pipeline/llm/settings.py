"""The layer's own environment variables: which models are asked, for how much, by which prompts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harvey_pipeline.settings import SettingsError, given_values, is_address, read_amount

PROVIDERS: Final = "HARVEY_LLM_PROVIDERS"
MODEL: Final = "HARVEY_LLM_MODEL"
URL: Final = "HARVEY_LLM_URL"
KEY: Final = "HARVEY_LLM_KEY"
PRICE: Final = "HARVEY_LLM_PRICE"
BUDGET: Final = "HARVEY_LLM_BUDGET_USD"
STOP: Final = "HARVEY_LLM_STOP"
PROMPTS: Final = "HARVEY_PROMPTS"

OPENAI: Final = "openai"
ANTHROPIC: Final = "anthropic"
KNOWN_PROVIDERS: Final = (OPENAI, ANTHROPIC)
"""By what they speak: `openai` is any server with that vendor's chat completions, too."""

STOP_FILE: Final = "llm.stop"
"""A file of this name beside the warehouse stops all calls."""

ALL: Final = 100

Shares = Mapping[str, tuple[tuple[str, int], ...]]
"""By purpose, versions of its prompt, each with its share of the people in percent."""


@dataclass(frozen=True)
class Price:
    """USD per million tokens."""

    input_usd: float
    output_usd: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """What a call of so many tokens costs, USD."""
        return (input_tokens * self.input_usd + output_tokens * self.output_usd) / 1e6


@dataclass(frozen=True)
class Provider:
    """Who is asked, and which model; `url` is None for the vendor's own address."""

    name: str
    model: str
    url: str | None = None
    key: str | None = field(default=None, repr=False)
    price: Price | None = None
    """None where the list of prices that comes with the library is to say it."""

    @property
    def variable_of_key(self) -> str:
        """The environment variable that its key is looked for in, besides the general one."""
        return _own(self.name, "KEY")


@dataclass(frozen=True)
class LlmSettings:
    """Which models are asked, in this order, and for how much a calendar month, USD.

    Without any provider, or a budget of 0, none is asked. Keys are in no text of this.
    """

    providers: tuple[Provider, ...] = ()
    budget_usd: float = 0.0
    is_stopped: bool = False
    shares: Shares = field(default_factory=dict)
    parallel: int = 4
    """Questions that are on their way at a time."""
    backoff_seconds: float = 1.0
    """Before the second try; twice as long before the third."""

    @property
    def models(self) -> tuple[str, ...]:
        """Models whose answers count, the first one's before the others'."""
        return tuple(dict.fromkeys(provider.model for provider in self.providers))


def read_llm_settings(environment: Mapping[str, str] | None = None) -> LlmSettings:
    """What the environment says of language models. `HARVEY_LLM_MODEL`, `_URL`, `_KEY` and
    `_PRICE` are of the first provider, `HARVEY_LLM_<PROVIDER>_MODEL` and so on of that one.

    Raises:
        SettingsError: A provider is not known or has no model, an address, a price, an amount or a
            share is none. The message never holds a key.
    """
    values = given_values(environment)
    return LlmSettings(
        _read_providers(values),
        read_amount(values, BUDGET, 0.0),
        _read_stop(values),
        _read_shares(values.get(PROMPTS, "")),
    )


def _own(provider: str, what: str) -> str:
    return f"HARVEY_LLM_{provider.upper()}_{what}"


def _read_providers(values: Mapping[str, str]) -> tuple[Provider, ...]:
    named = [one.strip().lower() for one in values.get(PROVIDERS, "").split(",") if one.strip()]
    if unknown := [one for one in named if one not in KNOWN_PROVIDERS]:
        raise SettingsError(
            f"{PROVIDERS} names {unknown[0]!r}; there are {', '.join(KNOWN_PROVIDERS)}."
        )
    if len(set(named)) < len(named):
        raise SettingsError(f"{PROVIDERS} names {', '.join(named)}; name each once.")
    if not named and not (values.get(MODEL) or values.get(_own(OPENAI, "MODEL"))):
        return ()
    names = named or [OPENAI]
    # A key goes to nobody but whom it is for: the general variables are the first provider's.
    return tuple(
        _read_provider(values, name, is_first=position == 0) for position, name in enumerate(names)
    )


def _read_provider(values: Mapping[str, str], name: str, *, is_first: bool) -> Provider:
    def given(general: str, what: str) -> tuple[str, str | None]:
        own = _own(name, what)
        text = values.get(own) or (values.get(general) if is_first else None)
        return (own if values.get(own) or not is_first else general), text

    variable, model = given(MODEL, "MODEL")
    if not model:
        raise SettingsError(f"{PROVIDERS} names {name}, but {variable} is not set; name its model.")
    if not re.fullmatch(r"[!-~]{1,200}", model):
        raise SettingsError(f"{variable} is {model!r}; give a model's name, without blanks.")
    variable, key = given(KEY, "KEY")
    if key and not re.fullmatch(r"[!-~]+", key):
        raise SettingsError(f"{variable} holds characters that no key has.")
    return Provider(
        name, model, _url_of(*given(URL, "URL")), key, _price_of(*given(PRICE, "PRICE"))
    )


def _url_of(variable: str, text: str | None) -> str | None:
    if not text:
        return None
    if not is_address(text):
        raise SettingsError(
            f"{variable} is no address; give one such as http://localhost:11434/v1."
        )
    return text


def _price_of(variable: str, text: str | None) -> Price | None:
    if not text:
        return None
    amount = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"
    found = re.fullmatch(f"{amount}/{amount}", text)
    if not found:
        raise SettingsError(
            f"{variable} is {text!r}; give USD per million tokens read and written, such as "
            f"0.25/2 or, for a model of one's own, 0/0."
        )
    return Price(float(found[1]), float(found[2]))


def _read_stop(values: Mapping[str, str]) -> bool:
    return values.get(STOP, "").strip().lower() not in ("", "0", "false", "no")


def _read_shares(text: str) -> Shares:
    """`<purpose>=<version>:<percent>,...`, purposes divided by `;`; a version alone takes all."""
    shares: dict[str, tuple[tuple[str, int], ...]] = {}
    for part in filter(None, (one.strip() for one in text.split(";"))):
        found = re.fullmatch(r"([a-z_]+)\s*=\s*(.+)", part)
        given = [
            re.fullmatch(r"([\w.-]+)(?::([0-9]{1,3}))?", one.strip())
            for one in (found[2].split(",") if found else [])
        ]
        versions = tuple((one[1], int(one[2] or ALL)) for one in given if one)
        if not found or len(versions) < len(given) or sum(share for _, share in versions) != ALL:
            raise SettingsError(
                f"{PROMPTS} has {part!r}; give purposes with versions whose shares add up to 100, "
                f"such as segment_user=v1:90,v2:10;analyze_intent=v1."
            )
        if found[1] in shares or len({version for version, _ in versions}) < len(versions):
            raise SettingsError(f"{PROMPTS} has {part!r}; name each purpose and version once.")
        shares[found[1]] = versions
    return shares


def stop_file(warehouse: Path) -> Path:
    """The file that stops all calls while it is there."""
    return warehouse.with_name(STOP_FILE)
