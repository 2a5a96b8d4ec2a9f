"""What an erasure is to do, kept in a file until it is done, and what is told of it afterwards.

The request stands beside the warehouse and holds ids and words, for a process that was killed
cannot look them up again in what it has erased; it goes with the last step. The record of erasures
holds neither.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from harvey_pipeline.privacy.wording import Traces


class RequestError(Exception):
    """A request that cannot be read; the message says what to do."""


@dataclass(frozen=True)
class Request:
    """Whom to erase, who asked for it and when (ISO, UTC), and what was known of them then.

    `addresses` are their e-mail addresses, `pseudonyms` what stands for them in traces of models,
    `words` what only they said, by schema, `counts` what there was to erase, by place.
    """

    user_ids: tuple[str, ...]
    asked_by: str
    asked_at: str
    addresses: tuple[str, ...] = ()
    pseudonyms: tuple[str, ...] = ()
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def persons(self) -> list[str]:
        """All that stands for one of them in a column of people."""
        return [*self.user_ids, *self.addresses, *self.pseudonyms]

    @property
    def traces(self) -> Traces:
        texts = sorted({text for some in self.words.values() for text in some})
        return Traces((*self.user_ids, *self.addresses), tuple(texts))


def request_path(warehouse: Path) -> Path:
    """Where the request of a warehouse is while it is being carried out."""
    return warehouse.with_name(f"{warehouse.stem}.forget.json")


def record_path(warehouse: Path) -> Path:
    """Where the erasures of a warehouse are recorded, by hash."""
    return warehouse.with_name(f"{warehouse.stem}.erasures.jsonl")


def write_request(path: Path, request: Request) -> None:
    """Keep a request; killed at any moment it is there as a whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(request), file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def read_request(path: Path) -> Request | None:
    """The request that is yet to be carried out; None if there is none.

    Raises:
        RequestError: It cannot be read.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Request(
            tuple(told["user_ids"]),
            told["asked_by"],
            told["asked_at"],
            tuple(told["addresses"]),
            tuple(told["pseudonyms"]),
            told["words"],
            told["counts"],
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"{path} is no request to forget anybody ({error}). Remove it, and give the command "
            f"again."
        ) from error


def record_erasure(path: Path, request: Request, hashes: Sequence[str]) -> None:
    """Add what was erased to the record: when, for whom by hash, by whom asked, and how much.

    Repeated for the same request it stays one line.
    """
    line = {
        "asked_at": request.asked_at,
        "asked_by": request.asked_by,
        "user_hashes": list(hashes),
        "counts": dict(request.counts),
        "done_at": None,
    }
    content = path.read_bytes() if path.exists() else b""
    # What a process that was killed has left half written is written anew.
    whole = content[: content.rfind(b"\n") + 1]
    if any({**json.loads(one), "done_at": None} == line for one in whole.splitlines()):
        return
    done = json.dumps({**line, "done_at": now_as_text()})
    unfinished = path.with_name(f"{path.name}.next")
    with unfinished.open("wb") as file:
        file.write(whole + done.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def now_as_text() -> str:
    """The present moment, UTC, in ISO form."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
