"""The endpoints for the roles, over HTTP: what each token gets, and that it gets nothing else."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from harvey_pipeline.access.roles import Role, Viewer, tables_of
from harvey_pipeline.access.tokens import make_token, revoke_token, tokens_beside
from harvey_pipeline.pseudonyms import user_hash
from harvey_pipeline.segments.tables import TABLES
from harvey_pipeline.service.roles import MOST_ROWS, path_of
from harvey_pipeline.settings import read_hash_secret
from harvey_pipeline_tests.access.copies import publish_rows, segment, two_tenants
from harvey_pipeline_tests.service.role_servers import SECRET, serving

pytestmark = pytest.mark.services

VIEWERS: Final[Mapping[Role, Viewer]] = {
    Role.CEO: Viewer(Role.CEO, "t1"),
    Role.FINANCE: Viewer(Role.FINANCE, "t1"),
    Role.MANAGER: Viewer(Role.MANAGER, "t1", "t1-m"),
    Role.IT_HR: Viewer(Role.IT_HR, "t1", "t1-it"),
    Role.EMPLOYEE: Viewer(Role.EMPLOYEE, "t1", "t1-a"),
}
PATHS: Final = ("/segments", "/segments/me", *(path_of(name) for name in TABLES))

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_rows(tmp_path_factory.mktemp("copy"), two_tenants())


@pytest.fixture(scope="module")
def tokens(warehouse: Path) -> Mapping[Role, str]:
    return {role: make_token(tokens_beside(warehouse), one)[0] for role, one in VIEWERS.items()}


@pytest.fixture(scope="module")
def client(warehouse: Path) -> Iterator[Any]:
    import httpx

    with serving(warehouse) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


@pytest.fixture
def ask(client: Any, tokens: Mapping[Role, str]) -> Ask:
    """Asks as a role for a path."""

    def get(role: Role, path: str, /, **parameters: Any) -> Any:
        headers = {"Authorization": f"Bearer {tokens[role]}"}
        return client.get(path, params=parameters, headers=headers)

    return get


def logged(warehouse: Path) -> list[dict[str, Any]]:
    log = warehouse.with_name("access_log.jsonl")
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.mark.parametrize("role", list(Role))
def test_a_role_gets_its_tables_and_is_refused_the_others(ask: Ask, role: Role) -> None:
    there = set(two_tenants())
    for name in TABLES:
        answer = ask(role, path_of(name))
        if name in tables_of(role):
            assert answer.status_code == (200 if name in there else 503), answer.text
            if name in there:
                assert answer.json()["table"] == name
                assert answer.json()["total"] == len(answer.json()["rows"]) > 0, name
                assert answer.headers["cache-control"] == "no-store"
        else:
            assert answer.status_code == 403
            assert answer.json()["detail"].startswith(f"The role {role} does not see {name}")


def test_rows_are_those_of_the_one_function(ask: Ask) -> None:
    answer = ask(Role.MANAGER, "/segments/user_segments", day="2024-06-17").json()
    [row] = answer.pop("rows")
    assert answer == {"table": "user_segments", "total": 1, "first": 0, "next": None}
    assert (row["date"], row["user_id"], row["name"]) == ("2024-06-17", "t1-a", "Name of t1-a")
    own = ask(Role.EMPLOYEE, "/segments/user_segments").json()["rows"]
    assert [row["sub_segment"] for row in own] == [None, "Occasional"]
    assert "user_id" not in own[0]


def test_pages_name_the_next(ask: Ask) -> None:
    path = "/segments/user_segments"
    first = ask(Role.MANAGER, path, most=2).json()
    assert (first["total"], len(first["rows"]), first["next"]) == (3, 2, 2)
    second = ask(Role.MANAGER, path, most=2, first=2).json()
    assert (second["total"], len(second["rows"]), second["next"]) == (3, 1, None)
    beyond = ask(Role.MANAGER, path, first=9).json()
    assert (beyond["total"], beyond["rows"], beyond["next"]) == (3, [], None)


def test_an_employee_is_told_in_words_and_nobody_else(ask: Ask) -> None:
    lines = ask(Role.EMPLOYEE, "/segments/me").json()["lines"]
    assert lines == [
        "You are a regular user, as of 2024-06-24.",
        "Your score is 0.00 of 1.",
        "Few days.",
        "Begin.",
    ]
    for role in set(Role) - {Role.EMPLOYEE}:
        assert ask(role, "/segments/me").status_code == 403


def test_what_there_is_for_a_token_is_listed(ask: Ask) -> None:
    answer = ask(Role.FINANCE, "/segments").json()
    assert answer == {
        "role": "finance",
        "tenant_id": "t1",
        "tables": [
            {"table": "license_opportunities", "path": "/dashboard/license_opportunities"},
            {"table": "roi_summary", "path": "/dashboard/roi_summary"},
        ],
    }


# --- tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_without_a_token_nothing_is_answered(
    client: Any, tokens: Mapping[Role, str], path: str
) -> None:
    token = tokens[Role.IT_HR]
    shown: list[dict[str, str]] = [
        {},
        *(
            {"Authorization": value}
            for value in ("", token, "Bearer", f"Basic {token}", f"Bearer {token}x")
        ),
    ]
    for headers in shown:
        answer = client.get(path, headers=headers, params={"tenant": "t1"})
        assert answer.status_code == 401, headers
        assert answer.headers["www-authenticate"] == "Bearer"
        assert token not in answer.text


def test_a_token_counts_from_when_it_is_made_until_it_is_revoked(
    client: Any, warehouse: Path
) -> None:
    text, token = make_token(tokens_beside(warehouse), VIEWERS[Role.CEO])
    headers = {"Authorization": f"Bearer {text}"}
    assert client.get("/segments", headers=headers).status_code == 200
    revoke_token(tokens_beside(warehouse), token.id)
    assert client.get("/segments", headers=headers).status_code == 401


# --- other tenants -------------------------------------------------------------------------------

FOREIGN: Final = ("t2", "t2-a", "all")
NAMES: Final = (
    *("tenant", "tenant_id", "user", "user_id", "as", "manager_id", "role", "table", "token"),
    *("day", "first", "most", "clear", "reason"),
)


@pytest.mark.parametrize("role", list(Role))
def test_no_parameter_gets_anything_of_another_tenant(ask: Ask, role: Role) -> None:
    """Every endpoint with every parameter, known or not, and an id of another tenant in it."""
    for path in PATHS:
        plain = ask(role, path)
        assert "t2" not in plain.text, path
        for name in NAMES:
            for value in FOREIGN if name.startswith("tenant") else ("t2-a",):
                answer = ask(role, path, **{name: value})
                assert answer.status_code in (200, 401, 403, 422, 503), (path, name, value)
                if answer.status_code == 200:
                    # What is accepted changes nothing: a reason is only written down.
                    assert answer.content == plain.content, (path, name, value)
                else:
                    shown = answer.json()["detail"]
                    told = (
                        shown if isinstance(shown, str) else " ".join(one["msg"] for one in shown)
                    )
                    assert "t2" not in told


@pytest.mark.parametrize("role", list(Role))
def test_no_known_parameter_widens_the_rows(ask: Ask, role: Role) -> None:
    for path in PATHS:
        for parameters in (
            {"day": "2024-06-24"},
            {"first": 1},
            {"most": MOST_ROWS},
            {"clear": "true", "reason": "t2"},
            {"tenant_id": "t2", "day": "2024-06-24"},
        ):
            answer = ask(role, path, **parameters)
            if answer.status_code == 200:
                assert "t2" not in answer.text, (path, parameters)


@pytest.mark.parametrize("path", ["/segments/t2", "/segments/../dashboard/x", "/dashboard"])
def test_what_is_no_page_is_not_found(ask: Ask, path: str) -> None:
    assert ask(Role.IT_HR, path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_everything_is_read_only(client: Any, tokens: Mapping[Role, str], method: str) -> None:
    headers = {"Authorization": f"Bearer {tokens[Role.IT_HR]}"}
    for path in PATHS:
        assert client.request(method, path, headers=headers).status_code == 405


@pytest.mark.parametrize(
    "query",
    [
        *("?tenant=t2", "?Day=2024-06-24", "?day=June", "?first=-1", "?most=0", "?most=1001"),
        *("?day=2024-06-24&day=2024-06-17", "?clear=true", "?clear=maybe", "?first=1e3"),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(
    client: Any, tokens: Mapping[Role, str], query: str
) -> None:
    headers = {"Authorization": f"Bearer {tokens[Role.IT_HR]}"}
    assert client.get(f"/segments/user_segments{query}", headers=headers).status_code == 422


# --- the account, hashes, and what is not set up -------------------------------------------------


def test_every_read_by_it_is_written_down(ask: Ask, warehouse: Path) -> None:
    before = len(logged(warehouse))
    rows = ask(Role.IT_HR, "/segments/labels").json()["rows"]
    assert {row["user_id"] for row in rows} == {
        user_hash(SECRET, "t1", user) for user in ("t1-a", "t1-b")
    }
    clear = ask(Role.IT_HR, "/segments/labels", clear="true", reason="ticket 7").json()["rows"]
    assert [row["user_id"] for row in clear] == ["t1-a", "t1-b"]
    ask(Role.MANAGER, "/segments/user_segments")
    ask(Role.IT_HR, "/segments/nothing")
    lines = logged(warehouse)[before:]
    assert [(line["as"], line["command"], line["rows"], line["reason"]) for line in lines] == [
        ("t1-it", "GET /segments/labels", 2, None),
        ("t1-it", "GET /segments/labels", 2, "ticket 7"),
    ]


def test_clear_ids_are_refused_without_a_reason_and_to_other_roles(ask: Ask) -> None:
    assert ask(Role.IT_HR, "/segments/labels", clear="true", reason=" ").status_code == 422
    refused = ask(Role.MANAGER, "/segments/user_segments", clear="true", reason="x")
    assert refused.status_code == 403


def test_nothing_is_shown_to_it_that_cannot_be_written_down(tmp_path: Path) -> None:
    import httpx

    warehouse = publish_rows(tmp_path, two_tenants())
    warehouse.with_name("access_log.jsonl").mkdir()
    text, _ = make_token(tokens_beside(warehouse), VIEWERS[Role.IT_HR])
    headers = {"Authorization": f"Bearer {text}"}
    with serving(warehouse) as address:
        answer = httpx.get(f"{address}/segments/labels", headers=headers)
    assert answer.status_code == 503
    assert "nothing is shown" in answer.json()["detail"]


def test_what_is_not_set_up_is_told(tmp_path: Path) -> None:
    import httpx

    warehouse = tmp_path / "warehouse.duckdb"
    shown = {
        role: {"Authorization": f"Bearer {make_token(tokens_beside(warehouse), viewer)[0]}"}
        for role, viewer in VIEWERS.items()
    }
    with serving(warehouse, secret=lambda: read_hash_secret({})) as address:
        answer = httpx.get(f"{address}/dashboard/roi_summary", headers=shown[Role.CEO])
        assert answer.status_code == 503
        assert "harvey run" in answer.json()["detail"]
        publish_rows(tmp_path, {"user_segments": [segment("t1-a", "t1")]})
        path = f"{address}/segments/user_segments"
        assert len(httpx.get(path, headers=shown[Role.EMPLOYEE]).json()["rows"]) == 1
        answer = httpx.get(path, headers=shown[Role.IT_HR])
        assert answer.status_code == 503
        assert "HARVEY_HASH_SECRET" in answer.json()["detail"]
        tokens_beside(warehouse).write_text("{")
        assert httpx.get(path, headers=shown[Role.EMPLOYEE]).status_code == 503


def test_the_api_is_described_with_an_example_for_every_page(client: Any) -> None:
    described = client.get("/openapi.json").json()["paths"]
    assert set(PATHS) <= set(described)
    for path in PATHS:
        [(method, told)] = described[path].items()
        assert method == "get"
        assert told["responses"]["200"]["content"]["application/json"]["example"], path
        assert {"401", "403", "422", "503"} <= told["responses"].keys()
        assert not {one["name"] for one in told.get("parameters", ())} & {"tenant", "tenant_id"}
