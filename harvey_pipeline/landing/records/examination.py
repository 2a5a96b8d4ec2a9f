"""What a file is, by its bytes: UTF-8 text with line feeds, or something else that has a name."""

import codecs
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl
import pyarrow as pa

from harvey_pipeline.landing.records.contract import BLANKS, LandingError

CHUNK_BYTES: Final = 1 << 20
LINE_BYTES: Final = 128 << 20
"""A longer line would not fit into memory beside all else, and is no record."""

_HEAD_BYTES: Final = 1 << 12

_MAGIC: Final = (
    (b"PAR1", "a Parquet file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a zip archive (or an Excel workbook, .xlsx)"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (such as Excel's .xls)"),
    (b"%PDF-", "a PDF"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"ORC\n", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"ARROW1", "an Arrow file"),
    (b"{\\rtf", "an RTF document"),
    (codecs.BOM_UTF32_LE, "UTF-32 text"),
    (codecs.BOM_UTF32_BE, "UTF-32 text"),
    (codecs.BOM_UTF16_LE, "UTF-16 text"),
    (codecs.BOM_UTF16_BE, "UTF-16 text"),
)
_HTML: Final = re.compile(rb"<(?:!doctype|html|head|body|\?xml|!--|table|script)\b|<!--", re.I)
_JSON: Final = re.compile(rb'\{\s*["}]|\[\s*[\[{"\]]')


@dataclass(frozen=True)
class TextFacts:
    """What one pass over a text file tells about its records.

    `last_quote`: where the last quote behind the header is; -1 without any.
    `is_wide`: whether a line without quotes has two fields or more beyond the header's.
    `has_lone_returns`: whether there are carriage returns that end no line.
    """

    last_quote: int
    is_wide: bool
    has_lone_returns: bool


def kind_of(head: bytes) -> str | None:
    """What a file that begins like this is; None if that may be text of rows.

    UTF-16 and UTF-32 text without a mark is told by where its NUL bytes are.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if _HTML.match(_without_blanks(head)):
        return "an HTML or XML page"
    whole = head[: len(head) // 4 * 4]
    if whole and b"\0" in whole:
        nuls = [whole[place::4].count(0) * 4 / len(whole) for place in range(4)]
        if sum(share > 0.9 for share in nuls) >= 3 or (nuls[0] > 0.9 and nuls[1] > 0.9):
            return "UTF-32 text" if any(share < 0.1 for share in nuls) else None
        if min(nuls[0], nuls[2]) > 0.6 > max(nuls[1], nuls[3]):
            return "UTF-16 text"
        if min(nuls[1], nuls[3]) > 0.6 > max(nuls[0], nuls[2]):
            return "UTF-16 text"
    return None


def _without_blanks(head: bytes) -> bytes:
    return head.decode("utf-8", errors="ignore").lstrip(BLANKS + "\r\n").encode()


def check_head(name: str, path: Path, form: str) -> None:
    """Refuse a file whose beginning says that it is something else than its name does.

    Args:
        name: The file's name, for messages.
        path: The file.
        form: `csv`, `jsonl`, `gz` or `parquet`.

    Raises:
        LandingError: It is something else.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        if form == "jsonl":
            return
        raise LandingError(
            f"{name} is empty: it has not a single byte. Deliver it again"
            + ("; a day without rows still has the header." if form == "csv" else ".")
        )
    kind = kind_of(head)
    if form == "gz" and kind != "a gzip file":
        raise LandingError(
            f"{name} is not a whole gzip file: it is {kind or _text_or_not(head)}. Deliver it "
            f"packed by gzip, or under the name of what it is."
        )
    if form == "parquet" and kind != "a Parquet file":
        raise LandingError(
            f"{name} is no Parquet file: it is {kind or _text_or_not(head)}. Deliver Parquet, or "
            f"name the file after what it is."
        )
    if form in ("csv", "jsonl"):
        if kind is None and form == "csv" and _JSON.match(_without_blanks(head)):
            kind = "JSON"
        if kind is not None:
            raise LandingError(f"{name}, line 1: the file is {kind}. {_remedy(kind, form)}")


def _remedy(kind: str, form: str) -> str:
    what = "CSV" if form == "csv" else "JSON lines"
    if kind == "a Parquet file":
        return "Name it .parquet."
    if kind == "a gzip file":
        return f"Name it .{form}.gz, packed once."
    if kind == "JSON":
        return "Name it .jsonl, one object a line, or deliver CSV."
    if kind.startswith("UTF-"):
        return "Deliver the file as UTF-8."
    return f"Deliver {what} as UTF-8 text."


def _text_or_not(head: bytes) -> str:
    try:
        # A character may be cut off at the end of what was read.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "a binary file"
    return "a binary file" if b"\0" in head else "text"


def read_lines(file: BinaryIO, size: int) -> bytes:
    """What comes next in a file: at least `size` bytes, up to the end of the line."""
    chunk = file.read(size)
    return chunk + file.readline(LINE_BYTES) if chunk else chunk


def examine_text(
    name: str, path: Path, start: int = 0, separator: str | None = None, width: int = 0
) -> TextFacts:
    """Pass over a text file once.

    Args:
        name: The file's name, for messages.
        path: The file.
        start: Where its records begin.
        separator: What is between fields; None where there are none to be counted.
        width: The header's number of fields.

    Raises:
        LandingError: The file is no UTF-8 text, holds NUL bytes, or has a line beyond measure; or
            a carriage return that ends no line comes before any quote.
    """
    position = 0
    last_quote = -1
    is_wide = False
    has_lone_returns = False
    with path.open("rb") as file:
        chunk = file.read(start) or read_lines(file, CHUNK_BYTES)
        while chunk:
            if len(chunk) > LINE_BYTES:
                raise LandingError(
                    f"{name}, line {_line_at(path, position) + chunk.count(10)}: longer than "
                    f"{LINE_BYTES:,} bytes. Deliver one record a line."
                )
            _check_characters(name, path, position, chunk)
            if position >= start and (quote := chunk.rfind(b'"')) >= 0:
                last_quote = position + quote
            if b"\r" in chunk and not has_lone_returns:
                lone = _find_lone_return(chunk, is_last=not chunk.endswith(b"\n"))
                if lone >= 0:
                    has_lone_returns = True
                    if last_quote < 0:
                        raise lone_return(name, _line_at(path, position + lone))
            if separator is not None and last_quote < 0 and not is_wide:
                is_wide = _has_wide_lines(chunk, separator.encode(), width)
            position += len(chunk)
            chunk = read_lines(file, CHUNK_BYTES)
    return TextFacts(last_quote, is_wide, has_lone_returns)


def _line_at(path: Path, place: int) -> int:
    """The number of the line in which a byte of a file stands.

    Only a file that is refused is asked: counting all lines takes as long as all else together.
    """
    lines = 1
    with path.open("rb") as file:
        while place > 0 and (chunk := file.read(min(place, CHUNK_BYTES))):
            lines += chunk.count(b"\n")
            place -= len(chunk)
    return lines


def lone_return(name: str, line: int) -> LandingError:
    """The error where a carriage return ends no line."""
    return LandingError(
        f"{name}, line {line}: a carriage return stands alone (old Mac line ends?). Deliver lines "
        f"that end in a line feed (\\n or \\r\\n)."
    )


def _find_lone_return(chunk: bytes, is_last: bool) -> int:
    if chunk.count(b"\r") == chunk.count(b"\r\n"):
        return -1
    lone = re.search(rb"\r(?!\n|\Z)" if is_last else rb"\r(?!\n)", chunk)
    return -1 if lone is None else lone.start()


def _has_wide_lines(chunk: bytes, separator: bytes, width: int) -> bool:
    """Whether a line has two fields beyond the header's, or more."""
    characters = pa.UInt8Array.from_buffers(pa.uint8(), len(chunk), [None, pa.py_buffer(chunk)])
    # Of an array by itself polars makes a series by what takes long to import.
    text = pl.DataFrame(pa.record_batch([characters], names=["text"]))["text"]
    # Of what is left of the lines, the separators of each stand in a row. As numbers they are
    # picked out in half the time that `bytes.translate` takes.
    left = text.filter((text == separator[0]) | (text == ord("\n"))).to_arrow()
    return separator * (width + 1) in left.buffers()[1].to_pybytes()[: len(left)]


def _check_characters(name: str, path: Path, position: int, chunk: bytes) -> None:
    if b"\0" in chunk:
        raise LandingError(
            f"{name}, line {_line_at(path, position + chunk.index(0))}: holds a NUL byte, so it is "
            f"a binary file (or UTF-16 text). Deliver UTF-8 text."
        )
    if chunk.isascii():
        return
    try:
        chunk.decode("utf-8")
    except UnicodeDecodeError as error:
        line = _line_at(path, position + error.start)
        if error.reason == "unexpected end of data":
            raise LandingError(
                f"{name}, line {line}: ends within a UTF-8 character. Deliver the file again."
            ) from error
        controls = sum(byte < 32 and byte not in b"\t\n\r" for byte in chunk[:_HEAD_BYTES])
        kind = (
            "the file is binary"
            if controls > 20
            else f"is not UTF-8 text (byte 0x{chunk[error.start]:02X}); it may be Latin-1 or "
            f"Windows-1252"
        )
        raise LandingError(f"{name}, line {line}: {kind}. Deliver the file as UTF-8.") from error
