"""Records with quotes, one at a time: where a record ends and what its fields are.

Reading jumps from quote to quote and from separator to separator; it is meant for the few records
that cannot be split as whole lines.
"""

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from harvey_pipeline.landing.records.contract import BLANKS

RECORD_BYTES: Final = 64 << 20
"""A quote that stays open for longer than this is an unbalanced one."""

_ESCAPED: Final = re.compile(rb'\\"|""')
_BLANK_BYTES: Final = tuple(blank.encode() for blank in BLANKS)


class Record(NamedTuple):
    """A record of a buffer.

    `end`: where its text ends, without the line end.
    `following`: where the next record begins.
    `fields`: None where they cannot be told apart.
    """

    end: int
    following: int
    fields: list[bytes] | None


class LoneReturnError(Exception):
    """A carriage return that ends no line stands outside quotes; the place is in the buffer."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class _Fields(NamedTuple):
    """A reading that came to the record's end: the fields, and where their line's end begins."""

    fields: list[bytes]
    end: int
    lone_return: int | None


class _Refusal(NamedTuple):
    """A reading that came to what cannot be: an unclosed quote, text behind a closing one."""

    place: int


class _MoreNeeded:
    """The buffer ends within quotes, and a later quote of the file may close them."""


_MORE_NEEDED: Final = _MoreNeeded()
_Reading = _Fields | _Refusal | _MoreNeeded


def is_blank(text: bytes) -> bool:
    """Whether a field holds nothing but blanks."""
    return not text or not text.decode("utf-8", errors="replace").strip(BLANKS)


@dataclass
class RecordReader:
    """Reads records in the order of a file, out of buffers that each begin at a line.

    Where a quote stays open over lines and comes to nothing, every later record whose quotes stay
    open over a line of that same stretch comes to nothing likewise, for what follows there is read
    alike. Remembering how far the stretch goes keeps the cost in proportion to the file.

    `separator`: a single byte.
    `refused`: how far such stretches go, in bytes of the file: by RFC 4180, and with backslashes.
    """

    separator: str
    refused: list[int] = field(default_factory=lambda: [0, 0])

    def split(self, data: bytes) -> tuple[list[bytes], int] | None:
        """The fields of the first record by RFC 4180, and where the next begins; None if none."""
        reading = self._read(data, 0, 0, False, False)
        if not isinstance(reading, _Fields):
            return None
        return reading.fields, _behind_line(data, reading.end)

    def read(
        self, data: bytes, start: int, width: int, base: int, has_more_quotes: bool
    ) -> Record | None:
        """The record that begins at `start`, as the landing contract reads it.

        Args:
            data: Whole lines.
            start: Where a line begins.
            width: The header's number of fields.
            base: Where in the file `data` begins.
            has_more_quotes: Whether the file has quotes behind `data`.

        Returns:
            The record, or None if it takes lines behind `data` to tell.

        Raises:
            LoneReturnError: A field outside quotes holds a carriage return.
        """
        by_rfc = self._read(data, start, base, False, has_more_quotes)
        if isinstance(by_rfc, _MoreNeeded):
            return None
        if isinstance(by_rfc, _Fields) and _fits(by_rfc.fields, width):
            return _record(data, by_rfc, width)
        stop = by_rfc.end if isinstance(by_rfc, _Fields) else by_rfc.place + 1
        if data.find(b'\\"', start, stop) >= 0:
            by_backslash = self._read(data, start, base, True, has_more_quotes)
            if isinstance(by_backslash, _MoreNeeded):
                return None
            if isinstance(by_backslash, _Fields) and _fits(by_backslash.fields, width):
                return _record(data, by_backslash, width)
        if isinstance(by_rfc, _Fields):
            return _record(data, by_rfc, width)
        line_feed = data.find(b"\n", start)
        end = _before_return(data, start, len(data) if line_feed < 0 else line_feed)
        return Record(end, _behind_line(data, end), None)

    def _read(
        self, data: bytes, start: int, base: int, has_escapes: bool, has_more_quotes: bool
    ) -> _Reading:
        separator = self.separator.encode()
        limit = start + RECORD_BYTES
        fields: list[bytes] = []
        position = start
        lone_return: int | None = None
        line_end = _line_end(data, start)
        while True:
            if data.startswith(b'"', position):
                closing = _find_closing(data, position + 1, limit, has_escapes)
                if closing is None:
                    if limit > len(data) and has_more_quotes:
                        return _MORE_NEEDED
                    return self._refuse(min(limit, len(data)), base, has_escapes)
                crossed = data.find(b"\n", position, closing)
                if crossed >= 0:
                    if base + crossed < self.refused[has_escapes]:
                        return _Refusal(closing)
                    line_end = _line_end(data, closing)
                fields.append(_unquoted(data[position + 1 : closing], has_escapes))
                position = self._skip_blanks(data, closing + 1)
                if position < line_end and not data.startswith(separator, position):
                    return self._refuse(position, base, has_escapes)
            else:
                behind = data.find(separator, position, line_end)
                end = line_end if behind < 0 else behind
                text = data[position:end]
                if b"\r" in text and lone_return is None:
                    lone_return = position + text.index(b"\r")
                fields.append(text)
                position = end
            if position >= line_end:
                return _Fields(fields, line_end, lone_return)
            position += 1

    def _refuse(self, place: int, base: int, has_escapes: bool) -> _Refusal:
        self.refused[has_escapes] = max(self.refused[has_escapes], base + place)
        return _Refusal(place)

    def _skip_blanks(self, data: bytes, position: int) -> int:
        while not data.startswith(self.separator.encode(), position):
            blank = next((b for b in _BLANK_BYTES if data.startswith(b, position)), None)
            if blank is None:
                break
            position += len(blank)
        return position


def _find_closing(data: bytes, start: int, limit: int, has_escapes: bool) -> int | None:
    position = start
    while True:
        quote = data.find(b'"', position, limit)
        if quote < 0:
            return None
        if has_escapes and quote > start and data[quote - 1] == 0x5C:
            position = quote + 1
        elif data.startswith(b'"', quote + 1):
            position = quote + 2
        else:
            return quote


def _unquoted(text: bytes, has_escapes: bool) -> bytes:
    if has_escapes:
        return _ESCAPED.sub(b'"', text)
    return text.replace(b'""', b'"') if b'"' in text else text


def _line_end(data: bytes, start: int) -> int:
    """Where the end of the line begins, a carriage return before its line feed included."""
    line_feed = data.find(b"\n", start)
    return _before_return(data, start, len(data) if line_feed < 0 else line_feed)


def _before_return(data: bytes, start: int, end: int) -> int:
    return end - 1 if end > start and data[end - 1] == 0x0D else end


def _behind_line(data: bytes, end: int) -> int:
    line_feed = data.find(b"\n", end)
    return len(data) if line_feed < 0 else line_feed + 1


def _fits(fields: list[bytes], width: int) -> bool:
    return len(fields) >= width and all(map(is_blank, fields[width:]))


def _record(data: bytes, reading: _Fields, width: int) -> Record:
    if reading.lone_return is not None:
        raise LoneReturnError(reading.lone_return)
    is_too_long = len(reading.fields) > width and not _fits(reading.fields, width)
    fields = None if is_too_long else reading.fields[:width]
    return Record(reading.end, _behind_line(data, reading.end), fields)
