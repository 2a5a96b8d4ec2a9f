"""Tokens: who may ask over HTTP, as which role of which tenant. Only their hashes are kept."""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from harvey_pipeline.access.kept import locked
from harvey_pipeline.access.roles import AccessError, Role, UnavailableError, Viewer

_OWNER_ONLY: Final = 0o600
_ID_LENGTH: Final = 8
_PREFIX: Final = "harvey_"


@dataclass(frozen=True)
class Token:
    """What is kept of a token: its hash, whom it stands for, and when it was made (ISO, UTC)."""

    id: str
    digest: str
    viewer: Viewer
    made_at: str


def tokens_beside(warehouse: Path) -> Path:
    """Where the tokens of a warehouse are kept."""
    return warehouse.with_name(f"{warehouse.stem}.tokens.jsonl")


def make_token(path: Path, viewer: Viewer) -> tuple[str, Token]:
    """A new token and what is kept of it; the token itself is nowhere but in this answer.

    Raises:
        UnavailableError: The file cannot be read or written.
    """
    # 256 random bits cannot be guessed from their hash, so that it needs no salt.
    text = f"{_PREFIX}{secrets.token_urlsafe(32)}"
    token = Token(
        secrets.token_hex(_ID_LENGTH // 2),
        _digest(text),
        viewer,
        datetime.now(UTC).isoformat(timespec="seconds"),
    )
    with locked(path):
        _write(path, [*read_tokens(path), token])
    return text, token


def revoke_token(path: Path, token_id: str) -> Token:
    """Take a token away, by its id; whoever shows it is refused from then on.

    Raises:
        UnavailableError: The file cannot be read or written.
        AccessError: There is none of that id.
    """
    with locked(path):
        tokens = read_tokens(path)
        found = [one for one in tokens if one.id == token_id]
        if not found:
            raise AccessError(f"no token has the id {token_id}. `harvey token list` has them all.")
        _write(path, [one for one in tokens if one.id != token_id])
    return found[0]


def read_tokens(path: Path) -> list[Token]:
    """The tokens that are kept, in the order in which they were made; none without a file.

    Raises:
        UnavailableError: The file cannot be read, or a line of it is no token.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UnavailableError(f"{path} cannot be read: {error}.") from None
    tokens = []
    for number, line in enumerate(lines, 1):
        try:
            tokens.append(_parse(json.loads(line)))
        except (ValueError, KeyError, TypeError, AccessError):
            raise UnavailableError(
                f"{path}, line {number}, is no token. Remove the line, and make the token again "
                "by `harvey token make`."
            ) from None
    return tokens


def find_viewer(tokens: list[Token], shown: str) -> Viewer | None:
    """Whom a token stands for that somebody shows; None if it is none.

    All tokens are compared, each in constant time, so that the time taken tells nothing of them.
    """
    digest = _digest(shown)
    found = None
    for token in tokens:
        if hmac.compare_digest(token.digest, digest):
            found = token.viewer
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _parse(line: dict[str, Any]) -> Token:
    viewer = Viewer(Role(line["role"]), line["tenant"], line["user"])
    return Token(str(line["id"]), str(line["sha256"]), viewer, str(line["made_at"]))


def _line(token: Token) -> str:
    viewer = token.viewer
    return json.dumps(
        {
            "id": token.id,
            "sha256": token.digest,
            "role": viewer.role.value,
            "tenant": viewer.tenant_id,
            "user": viewer.user_id,
            "made_at": token.made_at,
        }
    )


def _write(path: Path, tokens: list[Token]) -> None:
    """Replace the file in one step, readable by its owner only."""
    text = "".join(f"{_line(token)}\n" for token in tokens)
    temporary = path.with_name(f"{path.name}.next")
    try:
        temporary.unlink(missing_ok=True)
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}.") from None
