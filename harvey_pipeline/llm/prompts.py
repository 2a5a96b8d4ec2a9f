"""Prompts: files with versions, and who is asked by which version.

A subject's prompts are files `prompts/<purpose>/<version>.md` in its folder. A version whose text
changes would have two meanings in the cache, so texts are never changed: a new text is a new file.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from harvey_pipeline.llm.settings import ALL, PROMPTS, Shares
from harvey_pipeline.settings import SettingsError

_DIGITS: Final = 8


@dataclass(frozen=True)
class Prompt:
    """What a model is told to do with its input."""

    purpose: str
    version: str
    text: str


@dataclass(frozen=True)
class Prompts:
    """The versions of one purpose that are in use, each with its share of the people in percent."""

    shares: tuple[tuple[Prompt, int], ...]

    @property
    def purpose(self) -> str:
        return self.shares[0][0].purpose

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that are in use."""
        return tuple(prompt.version for prompt, _ in self.shares)

    def of_user(self, user_id: str) -> Prompt:
        """The prompt by which a user's rows are asked about, always the same one."""
        rest = _place(self.purpose, user_id)
        for prompt, share in self.shares:
            if rest < share:
                return prompt
            rest -= share
        return self.shares[-1][0]

    def versions_of(self, people: pl.Series) -> pl.Series:
        """The version of each user's prompt, by ids that may repeat; null stays null."""
        if len(self.shares) == 1:
            return (
                people.is_not_null()
                .replace_strict({True: self.versions[0], False: None}, return_dtype=pl.String)
                .rename(people.name)
            )
        known = people.drop_nulls().unique().to_list()
        by_user = {user: self.of_user(user).version for user in known}
        return people.replace_strict(by_user, default=None, return_dtype=pl.String)


def read_prompts(folder: Path, purpose: str, shares: Shares) -> Prompts:
    """A purpose's prompts in use; without shares, its newest version alone.

    Args:
        folder: The subject's folder of prompts.
        purpose: What they are for: a folder in it.
        shares: What the environment says of all purposes.

    Raises:
        SettingsError: A share names a version that there is not.
    """
    files = {path.stem: path for path in (folder / purpose).glob("*.md")}
    versions = sorted(files, key=_by_number)
    chosen = shares.get(purpose) or ((versions[-1], ALL),)
    for version, _ in chosen:
        if version not in files:
            raise SettingsError(
                f"{PROMPTS} names {version} of {purpose}; there are {', '.join(versions)}."
            )
    return Prompts(
        tuple(
            (Prompt(purpose, version, files[version].read_text(encoding="utf-8").strip()), share)
            for version, share in chosen
        )
    )


def _by_number(version: str) -> list[tuple[int, str]]:
    """Orders v2 before v10."""
    return [(int(part or 0), text) for text, part in re.findall(r"(\D*)(\d*)", version)]


def _place(purpose: str, user_id: str) -> int:
    """A number from 0 to 99 that a user has for a purpose."""
    digest = hashlib.sha256(f"{purpose}{user_id}".encode()).hexdigest()
    return int(digest[:_DIGITS], 16) % ALL
