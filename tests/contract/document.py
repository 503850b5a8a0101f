"""The exact examples of the API document: `examples/<section>.json`, named by their place in the document."""

import copy
import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "examples"
EXAMPLES: dict[str, Any] = {
    name: example for file in _FOLDER.glob("*.json") for name, example in json.loads(file.read_text("utf-8")).items()
}
_ELISION = "..."
_WHOLE = "3.1 response, user"
"""The example with the fields that later examples of the same resume omit."""


def example(name: str, **corrections: Any) -> Any:
    """Return an example such as `1.1 request`, corrected by the rulings, with omitted parts filled in."""
    found = copy.deepcopy(EXAMPLES[name])
    if isinstance(found, dict):
        for field, value in found.items():
            if value == _ELISION:
                found[field] = copy.deepcopy(EXAMPLES[_WHOLE][0][field])
        found |= corrections
    return found


def requested(shown: dict[str, Any]) -> dict[str, Any]:
    """Return the request that creates the resume of an example, without its photo."""
    sections = {"experiences": "experience_data", "education": "education_data", "skills": "skills_data"}
    read_only = {
        "id", "session_id", "user", "photo", "is_paid", "payment_type", "can_export_without_watermark",
        "created_at", "updated_at", "last_accessed",
    }  # fmt: skip
    body = {sections.get(name, name): value for name, value in shown.items() if name not in read_only}
    for section in sections.values():
        body[section] = [{name: value for name, value in entry.items() if name != "id"} for entry in body[section]]
    return body
