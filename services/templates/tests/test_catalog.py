"""The shipped catalog has the templates of the API document."""

import re
from pathlib import Path
from typing import Any

from cv_templates.cli import read_catalog
from cv_templates.main import app
from cv_testing.serving import serving

from services.templates.tests.conftest import Load

CATALOG = Path(__file__).parents[1] / "catalog"

# Section 2.1 of the API document, without `created_at`, which differs between installations.
MODERN, CREATIVE, EXECUTIVE = EXAMPLES = [
    {
        "id": 1,
        "name": "Modern Professional",
        "description": "Un template moderne et épuré pour professionnels",
        "thumbnail": "http://localhost:8000/media/templates/modern_professional.png",
        "is_premium": False,
        "is_active": True,
    },
    {
        "id": 2,
        "name": "Creative Designer",
        "description": "Template coloré idéal pour les créatifs",
        "thumbnail": "http://localhost:8000/media/templates/creative_designer.png",
        "is_premium": True,
        "is_active": True,
    },
    {
        "id": 3,
        "name": "Executive Elite",
        "description": "Template premium pour cadres supérieurs",
        "thumbnail": "http://localhost:8000/media/templates/executive_elite.png",
        "is_premium": True,
        "is_active": True,
    },
]


def without_creation(template: dict[str, Any]) -> dict[str, Any]:
    """A template less its `created_at`, which is seen to be a timestamp of the contract's format."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", template["created_at"])
    return {name: value for name, value in template.items() if name != "created_at"}


async def test_the_shipped_catalog_begins_with_the_contracts_examples(
    load: Load, environment: dict[str, str], visitor: dict[str, str]
) -> None:
    loaded = await load(CATALOG)
    assert loaded.code == 0, loaded.err
    async with serving(app, environment) as client:
        for path, expected in [
            ("/api/templates/", EXAMPLES),
            ("/api/templates/free/", [MODERN]),
            ("/api/templates/premium/", [CREATIVE, EXECUTIVE]),
        ]:
            answer = await client.get(path, headers=visitor)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/json"
            shown = answer.json()[: len(expected)]
            assert [without_creation(template) for template in shown] == expected
        one = without_creation((await client.get("/api/templates/1/", headers=visitor)).json())
    modern = read_catalog(CATALOG).templates[0]
    assert one == {
        **MODERN,
        "template_html": modern.html,
        "template_css": modern.css,
    }


def test_shipped_templates_are_self_contained() -> None:
    for template in read_catalog(CATALOG).templates:
        assert template.html.startswith("<!DOCTYPE html>")
        assert template.html.endswith("</html>\n")
        assert "{{ resume.full_name }}" in template.html
        assert "@page" in template.css
        assert "<%" not in template.html + template.css
