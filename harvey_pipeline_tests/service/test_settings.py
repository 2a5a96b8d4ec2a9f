"""The service's own variables: what is refused, and that the token is never told."""

import pytest

from harvey_pipeline.service.settings import ServiceSettings, read_service_settings
from harvey_pipeline.settings import SettingsError


def test_what_is_set_is_read() -> None:
    assert read_service_settings({"HARVEY_CONTEXT_TOKEN": "t0k3n"}) == ServiceSettings("t0k3n", 100)
    given = {"HARVEY_CONTEXT_TOKEN": "t0k3n", "HARVEY_REQUESTS_PER_SECOND": "7"}
    assert read_service_settings(given) == ServiceSettings("t0k3n", 7)


@pytest.mark.parametrize("given", [{}, {"HARVEY_CONTEXT_TOKEN": ""}])
def test_without_a_token_there_is_no_service(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="HARVEY_CONTEXT_TOKEN is not set"):
        read_service_settings(given)


@pytest.mark.parametrize("token", [" secret", "sec ret", "secret\n", "geheimnß"])
def test_a_token_that_no_header_carries_is_refused_and_not_told(token: str) -> None:
    with pytest.raises(SettingsError, match="HARVEY_CONTEXT_TOKEN holds blanks") as refusal:
        read_service_settings({"HARVEY_CONTEXT_TOKEN": token})
    assert token.strip() not in str(refusal.value)


@pytest.mark.parametrize("rate", ["0", "-1", "1.5", "many", "100001"])
def test_a_rate_that_is_no_whole_number_is_refused(rate: str) -> None:
    with pytest.raises(SettingsError, match="HARVEY_REQUESTS_PER_SECOND is"):
        read_service_settings({"HARVEY_CONTEXT_TOKEN": "t", "HARVEY_REQUESTS_PER_SECOND": rate})


def test_the_token_is_not_shown_with_the_settings() -> None:
    assert "t0k3n" not in repr(ServiceSettings("t0k3n"))
