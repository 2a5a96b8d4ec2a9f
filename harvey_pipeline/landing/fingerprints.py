"""Fingerprints of landing files, remembered for as long as a file cannot have changed."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Final

from harvey_pipeline.engines.engine import Engine
from harvey_pipeline.engines.one_machine import OneMachine
from harvey_pipeline.landing.files import (
    SourceFiles,
    fingerprint,
    fingerprint_of_drop,
    stamp,
)
from harvey_pipeline.landing.groups import in_groups
from harvey_pipeline.landing.part_store import scratch_folder
from harvey_pipeline.landing.places import (
    LandingPath,
    Stamp,
    UnreachableError,
    stamp_now,
    stamp_of,
)
from harvey_pipeline.landing.records.contract import LandingError
from harvey_pipeline.landing.scratch import write_whole

_SETTLED_NS: Final = 2_000_000_000
"""A file that was written to more recently than this may be again, without a new time of change."""


@lru_cache(maxsize=1)
def _read_known(file: Path, _stamp: Stamp) -> Mapping[str, list[int | str]]:
    """What was kept; read once for as long as the file is the same, whatever source asks."""
    known: dict[str, list[int | str]] = json.loads(file.read_text())
    return known


class Fingerprints:
    """What files hold, by content.

    A file is read again only if something of its stamp is another. Parts of folders are read by
    the engine.
    """

    def __init__(self, root: Path, engine: Engine | None = None) -> None:
        self._engine: Engine = OneMachine() if engine is None else engine
        self._file = root / "bulk" / "fingerprints.json"
        self._scratch = root / "scratch"
        self._folder = str(Path.cwd())
        self._known: dict[str, list[int | str]] = self._remembered()
        self._is_changed = False

    def _remembered(self) -> dict[str, list[int | str]]:
        try:
            return dict(_read_known(self._file, Stamp.of(self._file.stat())))
        except (OSError, ValueError):
            return {}

    def of_all(self, files: SourceFiles, paths: Iterable[LandingPath]) -> dict[LandingPath, str]:
        """What `of` says of several drops, several files at a time.

        Those that cannot be read are left out.

        Raises:
            UnreachableError: The storage does not answer, or refuses.
        """
        drops = list(paths)
        known = self._contents(files, [one for path in drops for one in files.files_of(path)])
        return {
            path: fingerprint_of_drop(files, path, known)
            for path in drops
            if all(one in known for one in files.files_of(path))
        }

    def of_files(self, files: SourceFiles, path: LandingPath) -> dict[LandingPath, str]:
        """SHA-256 of the content of a drop, or of each part of one that is a folder.

        Raises:
            LandingError: A file cannot be read.
        """
        if path not in files.parts or not self._engine.is_elsewhere:
            return {one: self._of_file(files, one) for one in files.files_of(path)}
        known = self._contents(files, files.parts[path])
        return {one: known.get(one) or self._of_file(files, one) for one in files.parts[path]}

    def _contents(self, files: SourceFiles, some: Sequence[LandingPath]) -> dict[LandingPath, str]:
        """What there is to be known of some files, several at a time."""
        found = {one: self._recall(one) for one in some}
        unknown = [one for one, content in found.items() if content is None]
        if self._engine.is_elsewhere:
            parts = {one for drop in files.parts.values() for one in drop}
            elsewhere = [one for one in unknown if one in parts]
            unknown = [one for one in unknown if one not in parts]
            found.update(self._look_elsewhere(files, elsewhere))
        if unknown:
            with ThreadPoolExecutor(max_workers=2) as pool:
                found.update(
                    zip(unknown, pool.map(lambda one: self._try(files, one), unknown), strict=True)
                )
        return {one: content for one, content in found.items() if content is not None}

    def _look_elsewhere(
        self, files: SourceFiles, some: Sequence[LandingPath]
    ) -> Iterator[tuple[LandingPath, str | None]]:
        stamps = [self._stamp(files, one) for one in some]
        look = partial(_look, SourceFiles(files.source, files.root))
        groups = list(in_groups(some, lambda path: path))
        found = chain.from_iterable(self._engine.map(look, groups))
        for path, before, (content, is_still) in zip(some, stamps, found, strict=True):
            # Other machines may tell a local file's identity otherwise.
            if isinstance(path, Path) and before is not None:
                is_still = is_still and _is_still(path, before)
            if content is not None and before is not None and is_still:
                self._keep(path, before, content)
            yield path, content

    def _stamp(self, files: SourceFiles, path: LandingPath) -> Stamp | None:
        try:
            return stamp(files, path)
        except LandingError:
            # Loading its day tells what is wrong with it.
            return None

    def _try(self, files: SourceFiles, path: LandingPath) -> str | None:
        try:
            return self._of_file(files, path)
        except UnreachableError:
            raise
        except LandingError:
            # Loading its day tells what is wrong with it.
            return None

    def of(self, files: SourceFiles, path: LandingPath) -> str:
        """SHA-256 of a file's content, as hexadecimal; of a folder over its parts.

        Raises:
            LandingError: A file cannot be read.
        """
        return fingerprint_of_drop(files, path, self.of_files(files, path))

    def _of_file(self, files: SourceFiles, path: LandingPath) -> str:
        known = self._recall(path)
        if known is not None:
            return known
        stamped = stamp(files, path)
        content = fingerprint(files, path, self._scratch)
        if _is_still(path, stamped):
            self._keep(path, stamped, content)
        return content

    def _keep(self, path: LandingPath, stamped: Stamp, content: str) -> None:
        """Remember what was read and is what the stamp stands for."""
        if time.time_ns() - stamped.changed_ns > _SETTLED_NS:
            self._known[self._key(path)] = [*stamped, content]
            self._is_changed = True

    def remember(self) -> None:
        """Keep what was read for other processes."""
        if self._is_changed:
            text = json.dumps(self._known)
            # Without it files are read again, which is all.
            with suppress(OSError):
                write_whole(self._file, lambda path: path.write_text(text))
            self._is_changed = False

    def _recall(self, path: LandingPath) -> str | None:
        remembered = self._known.get(self._key(path))
        if remembered is None:
            return None
        try:
            found = stamp_of(path)
        except OSError:
            return None
        return str(remembered[-1]) if remembered[:-1] == list(found) else None

    def _key(self, path: LandingPath) -> str:
        """What a file is remembered by, whatever folder a command is started in."""
        # `Path.absolute` takes ten times as long, which thousands of drops make seconds.
        is_relative = isinstance(path, Path) and not path.is_absolute()
        return f"{self._folder}/{path}" if is_relative else str(path)


def _is_still(path: LandingPath, stamped: Stamp) -> bool:
    """Whether what was read is what the stamp stands for: an object was listed before."""
    try:
        return stamp_now(path) == stamped
    except OSError:
        return False


def _look(files: SourceFiles, some: Sequence[LandingPath]) -> list[tuple[str | None, bool]]:
    """What files hold, wherever that is asked, and whether each stayed the same.

    None of one that cannot be read.
    """
    with scratch_folder(None) as scratch:
        return [_look_at(files, path, scratch) for path in some]


def _look_at(files: SourceFiles, path: LandingPath, scratch: Path) -> tuple[str | None, bool]:
    try:
        stamped = stamp(files, path)
        return fingerprint(files, path, scratch), _is_still(path, stamped)
    except UnreachableError:
        raise
    except LandingError:
        # Loading its day tells what is wrong with it.
        return None, False
