"""The Helm chart: Helm lints and renders it, Kubernetes' schemas validate the result."""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

import pytest
import yaml
from cv_stack.services import CALLERS
from cv_stack.settings import PROGRAMS, names
from cv_testing.workspace import ROOT, SERVICES

helm = pytest.importorskip("helm_python", reason="helm-python-sdk, which contains Helm, has no wheel for this machine")
kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="Kubernetes' schemas are not installed")

CHART = ROOT / "deploy" / "helm" / "cv-builder"
INGRESS = {"ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls"}}
MONITORING = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
INSTALLATIONS: list[dict[str, Any]] = [
    {},
    INGRESS,
    {"network": {"metricsFrom": MONITORING}, "services": {"auth": {"autoscaling": {"enabled": False}}}},
    {"network": {"enabled": False}, "image": {"pullSecrets": ["registry"]}, "loadTemplates": False},
]
Manifest = dict[str, Any]


def render(values: dict[str, Any]) -> list[Manifest]:
    """Return the manifests of a release named `cv`."""
    with helm.Chart.load(CHART) as chart:
        files = cast("dict[str, str]", chart.render(values, name="cv", namespace="prod"))
    documents = (yaml.safe_load_all(text) for name, text in files.items() if name.endswith(".yaml"))
    return [document for several in documents for document in several if document]


@cache
def rendered() -> list[Manifest]:
    return render({})


def named(manifests: Iterable[Manifest], kind: str) -> dict[str, Manifest]:
    """Return the manifests of one kind by name, without the release's prefix."""
    return {each["metadata"]["name"].removeprefix("cv-"): each for each in manifests if each["kind"] == kind}


def pods() -> dict[str, Manifest]:
    """Return the pod of each deployment and job."""
    workloads = {**named(rendered(), "Deployment"), **named(rendered(), "Job")}
    return {name: each["spec"]["template"] for name, each in workloads.items()}


def component(peer: Manifest) -> str:
    return str(peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"])


def pods_in(rules: Iterable[Manifest], direction: str) -> set[str]:
    """Return the programs of the system that a policy's rules name."""
    return {component(peer) for rule in rules for peer in rule[direction] if "podSelector" in peer}


def test_helm_lint_finds_no_errors() -> None:
    assert helm.lint(CHART, strict=True)["errors"] == []


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_manifests_match_the_kubernetes_schemas(version: str) -> None:
    manifests = {json.dumps(manifest): manifest for values in INSTALLATIONS for manifest in render(values)}
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize(
    "values",
    [
        {"nonsense": 1},
        {"publicBaseUrl": "cv.example"},
        {"media": {"renderer": "file:///media"}},
        {"services": {"auth": {"env": {"DATABASE_URL": "postgresql://auth:secret@db/auth"}}}},
        {"network": {"postgres": {"to": []}}},
        {"services": {"auht": {"tag": "1"}}},
    ],
    ids=["unknown name", "not a URL", "local folder", "secret in env", "policy without a target", "unknown service"],
)
def test_invalid_values_are_refused(values: dict[str, Any]) -> None:
    with helm.Chart.load(CHART) as chart, pytest.raises(helm.HelmValuesError):
        chart.validate_schema(values)


def test_a_missing_service_is_refused() -> None:
    with pytest.raises(helm.HelmRenderError, match=r"services\.renderer is missing"):
        render({"services": {"renderer": None}})


def test_every_program_has_all_its_manifests() -> None:
    for kind in ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"):
        assert set(named(rendered(), kind)) == set(PROGRAMS)
    assert set(named(rendered(), "Job")) == {"templates-load", *(f"{name}-migrations" for name in SERVICES)}
    assert named(rendered(), "Ingress") == {}


def test_pods_have_minimal_privileges() -> None:
    for pod in pods().values():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False  # else a Service named `auth` would set AUTH_PORT
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        [container] = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]
        assert {"name": "secrets", "mountPath": "/run/secrets", "readOnly": True} in container["volumeMounts"]


def test_readiness_checks_the_database_and_liveness_does_not() -> None:
    for deployment in named(rendered(), "Deployment").values():
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["livenessProbe"]["httpGet"]["path"] == "/metrics"


def test_programs_get_the_urls_of_the_services_that_they_call() -> None:
    for name, deployment in named(rendered(), "Deployment").items():
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        variables = {each["name"]: each["value"] for each in container["env"]}
        calls = {f"{callee.upper()}_URL" for callee, callers in CALLERS.items() if name in callers}
        assert {key for key in variables if key.removesuffix("_URL").lower() in PROGRAMS} == calls
        assert variables.get("NATS_USER", name) == name


def test_network_policies_allow_only_the_configured_callers() -> None:
    for name, policy in named(rendered(), "NetworkPolicy").items():
        spec = policy["spec"]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert pods_in(spec["ingress"], "from") == set(CALLERS.get(name, []))
        assert pods_in(spec["egress"], "to") == {callee for callee, callers in CALLERS.items() if name in callers}
        from_ingress = [peer for rule in spec["ingress"] for peer in rule["from"] if "namespaceSelector" in peer]
        assert bool(from_ingress) is (name == "gateway")


def test_only_payments_and_resumes_reach_the_internet() -> None:
    with_egress = {
        name
        for name, policy in named(rendered(), "NetworkPolicy").items()
        if '"0.0.0.0/0"' in json.dumps(policy["spec"]["egress"])
    }
    assert with_egress == {"payments", "resumes"}


def test_only_monitoring_reaches_the_metrics() -> None:
    policies = named(render({"network": {"metricsFrom": MONITORING}}), "NetworkPolicy")
    for name, policy in policies.items():
        [rule] = [rule for rule in policy["spec"]["ingress"] if rule["from"] == MONITORING]
        assert rule["ports"] == [{"protocol": "TCP", "port": 9000 if name == "gateway" else 8000}]


def test_services_route_only_to_their_deployments() -> None:
    labels = [pod["metadata"]["labels"] for name, pod in pods().items() if name not in PROGRAMS]
    for name, service in named(rendered(), "Service").items():
        selector = service["spec"]["selector"].items()
        assert selector <= pods()[name]["metadata"]["labels"].items()
        assert not any(selector <= each.items() for each in labels)


def test_migrations_run_before_the_deployments() -> None:
    for name in SERVICES:
        job = named(rendered(), "Job")[f"{name}-migrations"]
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert job["spec"]["template"]["spec"]["containers"][0]["command"] == ["alembic", "upgrade", "head"]


def test_one_service_can_have_another_tag() -> None:
    deployments = named(render({"services": {"auth": {"tag": "1.2.3"}}}), "Deployment")
    images = {name: each["spec"]["template"]["spec"]["containers"][0]["image"] for name, each in deployments.items()}
    assert images["auth"] == "cv-builder/auth:1.2.3"
    assert images["resumes"] == "cv-builder/resumes:0.1.0"


def services() -> dict[str, Manifest]:
    """Return the default values of the services."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    return cast("dict[str, Manifest]", values["services"])


def test_postgres_has_enough_connections_for_all_replicas() -> None:
    """max_connections is 210; 20 are reserved for operators, and an upgrade adds one replica of each service."""
    needed = 0
    for name in SERVICES:
        replicas = services()[name]["autoscaling"]["maxReplicas"] + 1
        outside_the_pool = 2 if name == "templates" else 1
        needed += replicas * (int(services()[name]["env"]["DATABASE_POOL_SIZE"]) + outside_the_pool)
    assert needed <= 210 - 20


def test_values_contain_only_existing_settings() -> None:
    """The services ignore unknown variables."""
    for name, service in services().items():
        assert service["env"].keys() <= names(name)
