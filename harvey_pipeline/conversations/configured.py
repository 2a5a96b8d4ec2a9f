"""What the environment says of the subject, read once: its settings, its words, its models."""

from pathlib import Path
from typing import Final

from harvey_pipeline.conversations.catalogue import read_catalogue
from harvey_pipeline.conversations.settings import read_conversation_settings
from harvey_pipeline.llm.prompts import Prompts, read_prompts
from harvey_pipeline.llm.settings import read_llm_settings

ANALYZE_INTENT: Final = "analyze_intent"
"""What models are asked about conversations."""

SETTINGS: Final = read_conversation_settings()
CATALOGUE: Final = read_catalogue(SETTINGS.catalogue)

_LLM: Final = read_llm_settings()
MODELS: Final = _LLM.models
"""The models whose answers count, the first one's before the others'."""
INTENT_PROMPTS: Final[Prompts] = read_prompts(
    Path(__file__).with_name("prompts"), ANALYZE_INTENT, _LLM.shares
)
