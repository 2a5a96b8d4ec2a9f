"""Canonical JSON of what a model gets, and hashes by which inputs and rows are known again."""

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:
    """A value as JSON text: keys by code point, no blanks, and as few escapes as JSON allows.

    Raises:
        ValueError: It holds a number that JSON has not.
        TypeError: It holds what is no JSON value.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def hash_of(*parts: Any) -> str:
    """SHA-256, in hexadecimal digits, of the canonical JSON of the list of some values."""
    return hashlib.sha256(canonical_json(list(parts)).encode()).hexdigest()


def input_hash(version: str, model: str, payload: Any, *, purpose: str | None = None) -> str:
    """The hash of an input as a model is asked about it by a version of a prompt.

    Args:
        version: Version of the prompt.
        model: Model that is asked.
        payload: What it gets.
        purpose: Where it is part of what is hashed, before the others.
    """
    return hash_of(*([] if purpose is None else [purpose]), version, model, payload)
