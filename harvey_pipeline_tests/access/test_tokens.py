"""Tokens: made once, kept by hash, found, listed, revoked; and files that cannot be used."""

import hashlib
import json
import threading
from pathlib import Path

import pytest

from harvey_pipeline.access.roles import AccessError, Role, UnavailableError, Viewer
from harvey_pipeline.access.tokens import (
    find_viewer,
    make_token,
    read_tokens,
    revoke_token,
    tokens_beside,
)

CEO = Viewer(Role.CEO, "t1")
MANAGER = Viewer(Role.MANAGER, "t1", "m\u2028n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tokens_beside(tmp_path / "warehouse.duckdb")


def test_only_the_hash_of_a_token_is_kept_and_its_owner_alone_reads_it(path: Path) -> None:
    text, token = make_token(path, CEO)
    assert path.name == "warehouse.tokens.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    kept = path.read_text()
    assert text not in kept
    assert json.loads(kept)["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert text not in repr(token)
    # 256 random bits are 43 characters of 6.
    assert len(text) >= 43
    assert list(path.parent.iterdir()) == [path]


def test_a_token_stands_for_its_viewer(path: Path) -> None:
    texts = [make_token(path, viewer)[0] for viewer in (CEO, MANAGER)]
    tokens = read_tokens(path)
    assert [token.viewer for token in tokens] == [CEO, MANAGER]
    assert [find_viewer(tokens, text) for text in texts] == [CEO, MANAGER]
    for wrong in ("", texts[0][:-1], texts[0] + "x", texts[0].upper(), "\udcff", tokens[0].digest):
        assert find_viewer(tokens, wrong) is None
    assert find_viewer([], texts[0]) is None


def test_a_revoked_token_stands_for_nobody(path: Path) -> None:
    first, token = make_token(path, CEO)
    second, _ = make_token(path, CEO)
    assert revoke_token(path, token.id) == token
    assert find_viewer(read_tokens(path), first) is None
    assert find_viewer(read_tokens(path), second) == CEO
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(AccessError, match=f"no token has the id {token.id}"):
        revoke_token(path, token.id)


def test_tokens_that_are_made_at_once_are_all_kept(path: Path) -> None:
    makers = [threading.Thread(target=make_token, args=(path, CEO)) for _ in range(12)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len({token.id for token in read_tokens(path)}) == 12


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        '{"id": "a", "sha256": "b", "role": "king", "tenant": "t", "user": null, "made_at": ""}',
        '{"id": "a", "sha256": "b", "role": "ceo", "tenant": "all", "user": null, "made_at": ""}',
        '{"id": "a", "sha256": "b", "role": "manager", "tenant": "t", "user": "", "made_at": ""}',
    ],
)
def test_a_line_that_is_no_token_is_named(path: Path, line: str) -> None:
    make_token(path, CEO)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(UnavailableError, match="line 2, is no token"):
        read_tokens(path)


def test_a_file_that_cannot_be_read_or_written_is_told(path: Path, tmp_path: Path) -> None:
    assert read_tokens(path) == []
    path.write_bytes(b"\xff")
    with pytest.raises(UnavailableError, match="cannot be read"):
        read_tokens(path)
    with pytest.raises(UnavailableError, match="cannot be written"):
        make_token(tokens_beside(tmp_path / "missing" / "w.duckdb"), CEO)
