"""Every endpoint of the whole service, one by one: who may ask it, and how."""

import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from harvey_pipeline.access.roles import PERSONAL, Role, Viewer, tables_of
from harvey_pipeline.access.tokens import make_token, tokens_beside
from harvey_pipeline_tests.access.copies import publish_rows, two_tenants
from harvey_pipeline_tests.service.asking import ok
from harvey_pipeline_tests.service.servers import TOKEN, Server, served

pytestmark = pytest.mark.services

CONTEXT: Final = ("/context/{user_id}", "/today")
OPEN: Final = ("/health",)

PARAMETERS: Final[tuple[Mapping[str, str], ...]] = (
    {},
    {"day": "2024-06-24"},
    {"clear": "true", "reason": "an audit"},
    {"first": "0", "most": "1000"},
    {"tenant_id": "t2"},
    {"tenant": "t2", "as": "t2-m"},
    {"user_id": "t2-a"},
    {"reason": "' or tenant_id = 't2"},
    {"day": "2024-06-24' or '1'='1"},
)
"""What somebody of t1 may try."""


class Walked:
    """A service over the rows of t1 and t2, its endpoints, and a token of t1 for every role."""

    def __init__(self, server: Server, tokens: Mapping[Role, str]) -> None:
        self.server = server
        self.tokens = tokens
        self.paths: dict[str, Any] = ok(server.ask("/openapi.json", token=None))["paths"]
        self.of_roles = sorted({*self.paths} - {*CONTEXT, *OPEN})


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    folder: Path = tmp_path_factory.mktemp("walked")
    warehouse = publish_rows(folder, two_tenants())
    tokens = {}
    for role in Role:
        viewer = Viewer(role, "t1", "t1-m" if role in PERSONAL else None)
        tokens[role], _ = make_token(tokens_beside(warehouse), viewer)
    with served(folder, "redis://127.0.0.1:1/0", HARVEY_HASH_SECRET="pepper") as server:
        yield Walked(server, tokens)


def test_every_endpoint_only_reads(walked: Walked) -> None:
    assert {method for path in walked.paths.values() for method in path} == {"get"}
    assert len(walked.of_roles) >= 10
    for path in walked.paths:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            request = urllib.request.Request(f"{walked.server.address}{path}", b"{}", method=method)
            request.add_header("Authorization", f"Bearer {TOKEN}")
            with pytest.raises(urllib.error.HTTPError) as refusal:
                urllib.request.urlopen(request, timeout=30)
            assert refusal.value.code == 405, (method, path)
            refusal.value.close()


def test_every_endpoint_but_health_needs_a_token_of_its_own_kind(walked: Walked) -> None:
    for path in walked.paths:
        asked = path.replace("{user_id}", "t1-a")
        if path in OPEN:
            assert walked.server.ask(asked, token=None).status == 200
            continue
        others = [*walked.tokens.values()] if path in CONTEXT else [TOKEN]
        for token in (None, "", "nonsense", *others):
            assert walked.server.ask(asked, token).status == 401, (path, token)


def test_every_endpoint_has_an_example(walked: Walked) -> None:
    for path, methods in walked.paths.items():
        content = methods["get"]["responses"]["200"]["content"]
        assert content["application/json"]["example"], path


@pytest.mark.parametrize("role", Role)
def test_no_endpoint_tells_a_role_of_another_tenant(walked: Walked, role: Role) -> None:
    statuses = set()
    for path in walked.of_roles:
        for parameters in PARAMETERS:
            asked = f"{path}?{urlencode(parameters)}" if parameters else path
            answer = walked.server.ask(asked, walked.tokens[role])
            assert answer.status in (200, 403, 422), (asked, answer.text)
            assert '"t2' not in answer.text, asked
            assert "t2-" not in answer.text, asked
            if not parameters and path.rpartition("/")[2] in tables_of(role):
                assert answer.status == 200, (asked, answer.text)
            statuses.add(answer.status)
    # It was not for want of rights alone, nor because nothing is refused.
    assert statuses >= {200, 422}
