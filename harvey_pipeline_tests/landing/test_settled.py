"""Objects that stood still between two looks; of files the landing sensor's tests tell."""

from datetime import date

from harvey_pipeline.landing.files import SourceFiles
from harvey_pipeline.landing.places import RemotePath, Stamp
from harvey_pipeline.landing.settled import Look, unsettled_drops
from harvey_pipeline_tests.builders import SOURCES

DAY = date(2024, 4, 1)


def test_an_object_is_settled_once_it_was_seen_as_it_is_or_did_not_change_for_long() -> None:
    now_ns, second = 1_800_000_000_000_000_000, 1_000_000_000

    def listed(etag: str, seconds_ago: int) -> SourceFiles:
        changed = now_ns - seconds_ago * second
        path = RemotePath("s3://drops/users/2024-04-01.csv", Stamp(etag, 5, changed, changed))
        return SourceFiles(SOURCES["users"], RemotePath("s3://drops"), {DAY: path})

    def is_settled(before: SourceFiles, now: SourceFiles) -> bool:
        look = Look.parse(str(Look(now_ns).with_recent([before])))
        return not list(unsettled_drops([now], look, Look(now_ns + 30 * second)))

    assert is_settled(listed("a", 10), listed("a", 10))
    assert not is_settled(listed("a", 10), listed("b", 10))
    assert not is_settled(listed("a", 10), listed("a", 5))
    # The storage's clock may be ahead of this machine's.
    assert is_settled(listed("a", -600), listed("a", -600))
    assert not is_settled(listed("a", -600), listed("b", -600))
    assert is_settled(listed("a", 2 * 3600), listed("b", 2 * 3600))
    assert Look.parse(str(now_ns)) == Look(now_ns)
