"""The merged OpenAPI document: conflicting names, private paths, services that are down."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cv_gateway.openapi.merge import merge
from cv_testing.serving import eventually

from gateway.tests.conftest import MakeGateway
from gateway.tests.world import SERVICES, AuthKeys, FakeService, FakeServices, RunningGateway


def document(path: str, operation_id: str, schemas: dict[str, Any], **operation: Any) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{next(iter(schemas))}"}
    answers = {"200": {"content": {"application/json": {"schema": reference}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "x", "version": "1"},
        "paths": {path: {"get": {"operationId": operation_id, "responses": answers, **operation}}},
        "components": {"schemas": schemas},
    }


def merged(**documents: dict[str, Any]) -> dict[str, Any]:
    return merge(documents, {"auth": "Accounts.", "resumes": "CVs."}, "http://localhost:8000")


def schema_of(document: dict[str, Any], path: str) -> str:
    reference = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    return str(reference.rpartition("/")[2])


def test_different_components_of_one_name_are_renamed() -> None:
    both = merged(
        auth=document("/api/auth/a/", "a", {"Detail": {"type": "string"}}),
        resumes=document("/api/resumes/b/", "b", {"Detail": {"type": "integer"}}),
    )

    assert both["components"]["schemas"] == {"AuthDetail": {"type": "string"}, "ResumesDetail": {"type": "integer"}}
    assert schema_of(both, "/api/auth/a/") == "AuthDetail"
    assert schema_of(both, "/api/resumes/b/") == "ResumesDetail"


def test_equal_components_of_one_name_keep_it() -> None:
    same = {"Detail": {"type": "string"}}
    both = merged(auth=document("/api/auth/a/", "a", same), resumes=document("/api/resumes/b/", "b", same))

    assert both["components"]["schemas"] == same
    assert schema_of(both, "/api/auth/a/") == "Detail"


def test_equal_components_that_refer_to_renamed_ones_are_renamed() -> None:
    outer = {"Outer": {"items": {"$ref": "#/components/schemas/Inner"}}}
    both = merged(
        auth=document("/api/auth/a/", "a", {**outer, "Inner": {"type": "string"}}),
        resumes=document("/api/resumes/b/", "b", {**outer, "Inner": {"type": "integer"}}),
    )

    schemas = both["components"]["schemas"]
    assert schemas["AuthOuter"] == {"items": {"$ref": "#/components/schemas/AuthInner"}}
    assert schemas["ResumesOuter"] == {"items": {"$ref": "#/components/schemas/ResumesInner"}}


def test_the_mapping_of_a_discriminator_is_renamed() -> None:
    def with_mapping(kind: str) -> dict[str, Any]:
        mapping = {"cat": "#/components/schemas/Cat"}
        return {"Pet": {"discriminator": {"propertyName": "kind", "mapping": mapping}}, "Cat": {"type": kind}}

    both = merged(
        auth=document("/api/auth/a/", "a", with_mapping("string")),
        resumes=document("/api/resumes/b/", "b", with_mapping("integer")),
    )

    pet = both["components"]["schemas"]["ResumesPet"]
    assert pet["discriminator"]["mapping"] == {"cat": "#/components/schemas/ResumesCat"}


def test_operation_ids_are_unique_and_every_operation_has_the_tag_of_its_service() -> None:
    both = merged(
        auth=document("/api/auth/a/", "list", {"A": {}}), resumes=document("/api/resumes/b/", "list", {"B": {}})
    )

    operations = [item["get"] for item in both["paths"].values()]
    assert [each["operationId"] for each in operations] == ["auth_list", "resumes_list"]
    assert [each["tags"] for each in operations] == [["auth"], ["resumes"]]
    assert both["tags"] == [{"name": "auth", "description": "Accounts."}, {"name": "resumes", "description": "CVs."}]


def test_one_path_of_two_services_is_an_error() -> None:
    one = document("/api/auth/a/", "a", {"A": {}})
    with pytest.raises(ValueError, match="/api/auth/a/"):
        merged(auth=one, resumes=one)


def test_merge_does_not_modify_its_arguments() -> None:
    one = document("/api/auth/a/", "a", {"A": {}})
    before = json.dumps(one)
    merged(auth=one)

    assert json.dumps(one) == before


@pytest.fixture
async def described_services(auth_keys: AuthKeys) -> AsyncIterator[FakeServices]:
    """Yield fake services with an OpenAPI document each, which contains internal paths too."""
    described = {name: FakeService(name, auth_keys) for name in SERVICES}
    for name, service in described.items():
        service.schema = document(f"/api/{name}/{{id}}/", f"{name}_get", {"Thing": {"title": name}})
        service.schema["paths"] |= {"/internal/things/{id}/": {"get": {}}, "/healthz": {"get": {}}}
        await service.start()
    yield described
    for service in described.values():
        await service.stop()


async def test_the_schema_contains_only_the_public_paths_of_all_services(
    make_gateway: MakeGateway, described_services: FakeServices
) -> None:
    gateway = await make_gateway(described_services)
    response = await gateway.client.get("/api/schema/")
    schema = response.json()

    assert response.headers["Content-Type"] == "application/json"
    assert schema["openapi"] == "3.1.0"
    assert schema["servers"] == [{"url": f"http://localhost:{gateway.port}"}]
    # The gateway routes no API path to the renderer.
    assert set(schema["paths"]) == {f"/api/{name}/{{id}}/" for name in ("auth", "templates", "resumes", "payments")}
    assert {"accessToken", "session"} <= schema["components"]["securitySchemes"].keys()


async def test_the_schema_keeps_a_stopped_service_and_adds_a_started_one(
    make_gateway: MakeGateway, described_services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cv_gateway.openapi._INCOMPLETE_MAX_AGE", 0.1)
    await described_services["payments"].stop()
    gateway = await make_gateway(described_services)

    async def paths() -> set[str]:
        return set((await gateway.client.get("/api/schema/")).json()["paths"])

    assert "/api/payments/{id}/" not in await paths()
    await described_services["payments"].start()

    async def complete() -> bool:
        return "/api/payments/{id}/" in await paths()

    await eventually(complete)
    for service in described_services.values():
        await service.stop()
    assert "/api/payments/{id}/" in await paths()


async def test_an_unchanged_schema_is_a_304(gateway: RunningGateway) -> None:
    first = await gateway.client.get("/api/schema/")
    again = await gateway.client.get("/api/schema/", headers={"If-None-Match": first.headers["ETag"]})

    assert again.status_code == 304
