"""The alerts for Prometheus: each asks for figures and parts of services that exist."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from cv_stack.settings import ROOT, SERVICES
from cv_stack.system import System

from tests.integration.visitor import eventually

_FUNCTIONS = {"by", "histogram_quantile", "job", "le", "max", "part", "rate", "route", "stream", "sum", "instance"}
_FROM_PROMETHEUS = {"up"}


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def figures(expression: str) -> set[str]:
    """The names of what an expression asks for."""
    bare = re.sub(r'\{[^}]*\}|\[\w+\]|"[^"]*"', " ", expression)
    return set(re.findall(r"[a-z_]{2,}", bare)) - _FUNCTIONS - _FROM_PROMETHEUS


def parts(expression: str) -> Iterator[str]:
    for several in re.findall(r'part=~"([^"]*)"', expression):
        yield from several.split("|")


async def read(system: System, service: str) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{system.ports.url(service)}/metrics")).text


async def test_services_have_the_figures_that_alerts_ask_for(system: System) -> None:
    found = "".join([await read(system, service) for service in SERVICES])
    declared = set(re.findall(r"^# TYPE (\w+)", found, re.MULTILINE))
    for alert in alerts():
        for figure in figures(alert["expr"]):
            assert figure.removesuffix("_bucket") in declared, alert["alert"]


async def test_payments_has_the_parts_that_alerts_name(system: System) -> None:
    named = {part for alert in alerts() for part in parts(alert["expr"])}

    async def shown() -> bool:
        text = await read(system, "payments")
        return bool(named) and all(f'health_problem{{part="{part}"}}' in text for part in named)

    await eventually(shown)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_is_wrong_and_how_urgent_it_is(alert: dict[str, Any]) -> None:
    assert alert["annotations"]["summary"]
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert f"`{alert['alert']}`" in (ROOT / "docs" / "operations.md").read_text(), "what to do about it"
    assert json.dumps(alert["expr"]).count("(") == json.dumps(alert["expr"]).count(")")
