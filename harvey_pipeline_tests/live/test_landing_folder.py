"""The file of a day: torn ends, ids, what is appended, and who may."""

import os
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from harvey_pipeline.landing.records.contract import LandingError
from harvey_pipeline.live.landing_folder import (
    LandingWriter,
    StreamError,
    count_lines,
    file_of,
    lines_from,
    local_landing,
    one_writer,
)

DAY: Final = date(2024, 2, 29)
BEFORE: Final = date(2024, 2, 28)


def written(root: Path, day: date, content: str | bytes) -> Path:
    path = file_of(root, day)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "mended"),
    [
        ("", ""),
        ('{"id":"a"}\n', '{"id":"a"}\n'),
        ('{"id":"a"}\n{"id":"b', '{"id":"a"}\n'),
        ('{"id":"a"}\n"no obj', '{"id":"a"}\n'),
        ('{"id":"a"', ""),
        ('{"id":"a"}\n{"id":"b"}', '{"id":"a"}\n{"id":"b"}\n'),
        (b'{"id":"a"}\n\x00\x00\x00', '{"id":"a"}\n'),
        (b'{"id":"a"}\n{"id":"\xc3', '{"id":"a"}\n'),
        ('{"id":"a"}\n{"id":"' + "x" * (3 << 20), '{"id":"a"}\n'),
    ],
)
def test_a_torn_last_line_is_cut(tmp_path: Path, content: str | bytes, mended: str) -> None:
    path = written(tmp_path, DAY, content)
    writer = LandingWriter(tmp_path, DAY)
    assert path.read_text() == mended
    assert writer.today.lines == mended.count("\n") == count_lines(path)
    writer.append(['{"id":"c"}'], ["c"])
    assert path.read_text() == mended + '{"id":"c"}\n'


def test_of_a_day_that_is_over_only_what_is_torn_is_cut(tmp_path: Path) -> None:
    path = written(tmp_path, BEFORE, '{"id":"a"}\n{"id":"b"}')
    writer = LandingWriter(tmp_path, DAY)
    assert path.read_text() == '{"id":"a"}\n{"id":"b"}'
    assert writer.before.lines == count_lines(path) == 2
    assert writer.has_id("b")
    path.write_text('{"id":"a"}\n{"id":"b"')
    assert not LandingWriter(tmp_path, DAY).has_id("b")
    assert path.read_text() == '{"id":"a"}\n'


def test_ids_are_known_as_they_are_compared(tmp_path: Path) -> None:
    written(tmp_path, BEFORE, '{"ID":" early "}\n')
    written(tmp_path, DAY, '{"id":7}\n"text"\n{"id":null,"user_id":"u"}\n{"id":"\\u0061"}\n')
    writer = LandingWriter(tmp_path, DAY)
    assert [writer.has_id(one) for one in ("early", "7", "a", "text")] == [True, True, True, False]
    assert writer.has_nameless('"text"')
    assert writer.has_nameless('{"id":null,"user_id":"u"}')
    assert not writer.has_nameless('{"id":7}')


def test_the_next_day_knows_the_ids_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "conversation_events").mkdir()
    writer = LandingWriter(tmp_path, BEFORE)
    writer.append(['{"id":"a"}', '"x"'], ["a", None])
    writer.turn_to(DAY)
    assert writer.today.lines == 0
    assert writer.has_id("a")
    assert writer.has_nameless('"x"')
    writer.turn_to(date(2024, 3, 1))
    assert not writer.has_id("a")
    assert not file_of(tmp_path, DAY).exists()


def test_what_another_process_has_written_is_not_appended_to(tmp_path: Path) -> None:
    path = written(tmp_path, DAY, '{"id":"a"}\n')
    writer = LandingWriter(tmp_path, DAY)
    with path.open("a") as file:
        file.write('{"id":"b"}\n')
    with pytest.raises(StreamError, match="was written by another process"):
        writer.append(['{"id":"c"}'], ["c"])
    assert path.read_text() == '{"id":"a"}\n{"id":"b"}\n'


def test_a_full_disk_leaves_no_part_of_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, DAY, '{"id":"a"}\n')
    writer = LandingWriter(tmp_path, DAY)
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, bytes(data[:4])))
    monkeypatch.setattr(os, "fsync", fail_as_full)
    with pytest.raises(OSError, match="No space left"):
        writer.append(['{"id":"b"}'], ["b"])
    assert path.read_text() == '{"id":"a"}\n'
    monkeypatch.undo()
    writer.append(['{"id":"b"}'], ["b"])
    assert path.read_text() == '{"id":"a"}\n{"id":"b"}\n'


def fail_as_full(_: int) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("name", ["2024-02-29.csv", "2024-02-29.jsonl.gz", "2024-02-29.JSONL"])
def test_a_day_with_another_drop_is_refused(tmp_path: Path, name: str) -> None:
    other = file_of(tmp_path, DAY).with_name(name)
    other.parent.mkdir()
    other.touch()
    with pytest.raises(StreamError, match=f"{name} is the drop of 2024-02-29 already"):
        LandingWriter(tmp_path, DAY)
    writer = LandingWriter(tmp_path, BEFORE)
    with pytest.raises(StreamError, match="already"):
        writer.turn_to(DAY)
    file_of(tmp_path, DAY).touch()
    with pytest.raises(LandingError, match="both stand for the same drop"):
        LandingWriter(tmp_path, DAY)


def test_lines_are_read_from_a_place_on(tmp_path: Path) -> None:
    path = written(tmp_path, DAY, "1\n2\u2028\n\n4\n5")
    assert list(lines_from(path, 1, 2)) == [["2\u2028", ""], ["4", "5"]]
    assert list(lines_from(path, 5, 2)) == []
    assert list(lines_from(tmp_path / "none", 0, 2)) == []


def test_one_at_a_time_writes(tmp_path: Path) -> None:
    told: list[str] = []
    with one_writer(tmp_path, lambda _: True, told.append) as is_held:
        assert is_held
        with one_writer(tmp_path, lambda _: True, told.append) as is_held_twice:
            assert not is_held_twice
    assert told == [
        f"Waiting: process {os.getpid()} on {os.uname().nodename} writes to "
        f"{tmp_path / 'conversation_events'}."
    ]
    with one_writer(tmp_path, lambda _: True, told.append) as is_held_again:
        assert is_held_again


def test_object_storage_and_missing_folders_are_refused(tmp_path: Path) -> None:
    assert local_landing(str(tmp_path)) == tmp_path
    with pytest.raises(StreamError, match="s3://bucket is no folder of this machine"):
        local_landing("s3://bucket")
    with pytest.raises(StreamError, match="does not exist"):
        local_landing(str(tmp_path / "none"))
