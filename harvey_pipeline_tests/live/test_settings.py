"""Where Redis is."""

import pytest

from harvey_pipeline.live.settings import LiveSettings, read_live_settings
from harvey_pipeline.settings import SettingsError


def test_redis_is_on_this_machine_unless_it_is_said() -> None:
    assert read_live_settings({}).redis_url == "redis://localhost:6379/0"
    assert read_live_settings({"HARVEY_REDIS_URL": ""}) == LiveSettings()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://redis.example.com/1", "redis://redis.example.com/1"),
        ("rediss://me:secret@redis.example.com:7000", "rediss://redis.example.com:7000"),
        ("unix://:secret@/run/redis.sock?db=1", "unix:///run/redis.sock"),
    ],
)
def test_the_password_is_not_shown(url: str, shown: str) -> None:
    settings = read_live_settings({"HARVEY_REDIS_URL": url})
    assert settings.redis_url == url
    assert settings.shown_address == shown
    assert "secret" not in repr(settings)


@pytest.mark.parametrize("url", ["localhost:6379", "http://host", "redis://", "redis://h:port"])
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="HARVEY_REDIS_URL is no address of Redis"):
        read_live_settings({"HARVEY_REDIS_URL": url})
