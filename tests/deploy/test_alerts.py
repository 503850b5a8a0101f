"""The Prometheus alerts: their metrics and labels exist."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from cv_stack.system import System
from cv_testing.workspace import ROOT, SERVICES

from tests.integration.visitor import eventually

_FUNCTIONS = {"by", "histogram_quantile", "job", "le", "max", "part", "rate", "route", "stream", "sum", "instance"}
_FROM_PROMETHEUS = {"up"}


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def metrics(expression: str) -> set[str]:
    """Return the metric names in an expression."""
    bare = re.sub(r'\{[^}]*\}|\[\w+\]|"[^"]*"', " ", expression)
    return set(re.findall(r"[a-z_]{2,}", bare)) - _FUNCTIONS - _FROM_PROMETHEUS


def components(expression: str) -> Iterator[str]:
    for alternatives in re.findall(r'part=~"([^"]*)"', expression):
        yield from alternatives.split("|")


async def read(system: System, service: str) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{system.ports.url(service)}/metrics")).text


@pytest.mark.operations
async def test_services_export_the_metrics_of_the_alerts(system: System) -> None:
    found = "".join([await read(system, service) for service in SERVICES])
    declared = set(re.findall(r"^# TYPE (\w+)", found, re.MULTILINE))
    for alert in alerts():
        for metric in metrics(alert["expr"]):
            assert metric.removesuffix("_bucket") in declared, alert["alert"]


@pytest.mark.operations
async def test_payments_reports_the_components_of_the_alerts(system: System) -> None:
    named = {part for alert in alerts() for part in components(alert["expr"])}

    async def shown() -> bool:
        text = await read(system, "payments")
        return bool(named) and all(f'health_problem{{part="{part}"}}' in text for part in named)

    await eventually(shown)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_alert_has_a_summary_a_severity_and_instructions(alert: dict[str, Any]) -> None:
    assert alert["annotations"]["summary"]
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert f"`{alert['alert']}`" in (ROOT / "docs" / "operations.md").read_text(), "no instructions"
    assert json.dumps(alert["expr"]).count("(") == json.dumps(alert["expr"]).count(")")
