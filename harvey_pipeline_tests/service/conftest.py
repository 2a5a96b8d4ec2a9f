"""The days that the tests of a file go by."""

import pytest

from harvey_pipeline_tests.service.published_profiles import Days, days_now


@pytest.fixture(scope="module")
def days() -> Days:
    """Asked for when a file's tests begin, so that midnight may pass before."""
    return days_now()
