"""What the environment says of the subject, read once: its settings and its catalogue of words."""

from typing import Final

from harvey_pipeline.conversations.catalogue import read_catalogue
from harvey_pipeline.conversations.settings import read_conversation_settings

SETTINGS: Final = read_conversation_settings()
CATALOGUE: Final = read_catalogue(SETTINGS.catalogue)
