"""What each day of a source is made from: where two versions are equal, so are the rows."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from harvey_pipeline.landing.coverage import bulk_covers
from harvey_pipeline.landing.files import SourceFiles
from harvey_pipeline.landing.fingerprints import Fingerprints
from harvey_pipeline.landing.places import LandingPath, UnreachableError
from harvey_pipeline.landing.records.contract import LandingError
from harvey_pipeline.landing.scratch import digest, parser_version
from harvey_pipeline.landing.source import Source

_NEIGHBOURS: Final = 7
"""How many drops before it a snapshot is compared with."""

NONE: Final = "none"

_UNREADABLE: Final = "unreadable"

_SEPARATOR: Final = ":"


@dataclass(frozen=True)
class Version:
    """What a day of a source is made from, part by part."""

    form: str
    """drop, bulk or none."""
    content: str
    """Name and fingerprint of its file."""
    marker: str
    """Whether a marker lets it through."""
    before: str
    """The drops before it, with which a snapshot is compared."""
    export: str
    """The bulk export that its late records may belong to, or whose records without a day come
    with it."""
    start: str
    """First day of the calendar."""
    code: str
    """The parsing code and the source's declaration."""

    def __str__(self) -> str:
        return _SEPARATOR.join(getattr(self, part) for part in _PARTS)

    def is_of(self, file: str | None, fingerprint: str | None) -> bool:
        """Whether it is of a file with this name and content."""
        known = "" if file is None or fingerprint is None else _content_of(file, fingerprint)
        return self.content == known

    @classmethod
    def parse(cls, text: str) -> "Version | None":
        """The version that a text says; None if it says none."""
        parts = text.split(_SEPARATOR)
        return cls(*parts) if len(parts) == len(_PARTS) else None


_PARTS: Final = tuple(field.name for field in fields(Version))


def neighbours(files: SourceFiles, day: date) -> list[date]:
    """The drops with which a snapshot is compared: up to seven before it, ascending."""
    days = files.days
    place = bisect_left(days, day)
    return list(days[max(place - _NEIGHBOURS, 0) : place])


def versions_of(
    files: SourceFiles,
    root: Path,
    start_date: date,
    days: Iterable[date],
    fingerprints: Fingerprints,
) -> dict[date, Version]:
    """By what each of these days would be made if it were loaded now.

    Raises:
        LandingError: The bulk export cannot be read, or object storage cannot be reached.
    """
    wanted = sorted(days)
    compared = {*wanted, *neighbours(files, wanted[0])} if wanted else set()
    paths = [path for day, path in files.drops.items() if day in compared]
    known = fingerprints.of_all(files, [*paths, *([files.bulk] if files.bulk else [])])
    maker = _Maker(files, root, start_date, fingerprints, known)
    return {day: maker.version(day) for day in wanted}


class _Maker:
    def __init__(
        self,
        files: SourceFiles,
        root: Path,
        start_date: date,
        fingerprints: Fingerprints,
        known: Mapping[LandingPath, str],
    ) -> None:
        self._files = files
        self._root = root
        self._start_date = start_date
        self._fingerprints = fingerprints
        self._code = digest(parser_version(), files.source.declaration)
        self._contents = {
            path: _content_of(files.name_of(path), content) for path, content in known.items()
        }

    def version(self, day: date) -> Version:
        files = self._files
        has_drop = day in files.drops
        is_bulk = not has_drop and bulk_covers(files, self._root, day)
        path = files.drops[day] if has_drop else files.bulk if is_bulk else None
        return Version(
            "drop" if has_drop else "bulk" if is_bulk else NONE,
            "" if path is None else self._content(path),
            self._marker(day, has_drop=has_drop, is_bulk=is_bulk),
            self._before(day) if has_drop else "",
            self._export(day) if has_drop else "",
            "" if path is None else str(self._start_date),
            "" if path is None else self._code,
        )

    def _content(self, path: LandingPath) -> str:
        if path not in self._contents:
            try:
                content = self._fingerprints.of(self._files, path)
            except UnreachableError:
                raise
            except LandingError:
                # Loading its day tells what is wrong with it.
                content = _UNREADABLE
            self._contents[path] = _content_of(self._files.name_of(path), content)
        return self._contents[path]

    def _marker(self, day: date, *, has_drop: bool, is_bulk: bool) -> str:
        files = self._files
        is_accepted = day in files.accepted if has_drop else is_bulk and files.is_bulk_accepted
        return "accepted" if is_accepted else ""

    def _before(self, day: date) -> str:
        if not self._files.source.is_snapshot or day in self._files.accepted:
            return ""
        drops = self._files.drops
        return digest(*(self._content(drops[other]) for other in neighbours(self._files, day)))

    def _export(self, day: date) -> str:
        source, bulk = self._files.source, self._files.bulk
        if bulk is None:
            return ""
        late = source.late_days if source.kind == "events" else 0
        before = [day - timedelta(days=offset) for offset in range(1, late + 1)]
        covered = [
            one
            for one in before
            if one not in self._files.drops and bulk_covers(self._files, self._root, one)
        ]
        if not covered and not self._brings_undated(day):
            return ""
        # Whether its rows count depends on the marker too.
        is_accepted = str(bool(covered) and self._files.is_bulk_accepted)
        return digest(self._content(bulk), is_accepted, *map(str, covered))

    def _brings_undated(self, day: date) -> bool:
        """Whether a drop is the one that the export's records without a day come with.

        They are kept as long as there is an export, also where each day has a drop of its own.
        """
        first = bisect_left(self._files.days, self._start_date)
        return self._files.source.at is not None and self._files.days[first:][:1] == (day,)


def _content_of(name: str, fingerprint: str) -> str:
    return digest(name, fingerprint)


def why(source: Source, now: Version, recorded: str | None) -> str:
    """What makes a day due that is to be made by one version and was made by another."""
    before = Version.parse(recorded) if recorded is not None else None
    noun = f"{source.name} {'bulk export' if now.form == 'bulk' else 'drop'}"
    if before is None or before.form == NONE:
        return "never run" if now.form == NONE else f"{noun} arrived"
    reasons = {
        "form": f"{source.name} {'drop has gone' if now.form == NONE else f'is now by {now.form}'}",
        "content": f"{noun} changed",
        "marker": f"{noun} is {'let through now' if now.marker else 'let through no longer'}",
        "before": f"{noun} is compared with other drops",
        "export": f"{source.name} bulk export beside it changed",
        "start": f"the calendar starts {now.start}, not {before.start}",
        "code": f"{source.name} is parsed by another version",
    }
    return next(reason for part, reason in reasons.items() if _differ(part, now, before))


def _differ(part: str, now: Version, before: Version) -> bool:
    return bool(getattr(now, part) != getattr(before, part))
