"""The profiles: files in `profiles/`, and a generated one that would be too large for a file."""

import json
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("profiles")
_PROLIFIC = "prolific"
_JOBS = 300


def find_profile(slug: str) -> dict[str, Any] | None:
    """Return the JSON Resume document of a profile, or None if the profile is unknown."""
    return _load_profiles().get(slug)


@cache
def _load_profiles() -> dict[str, dict[str, Any]]:
    profiles = {file.stem: json.loads(file.read_text("utf-8")) for file in _FOLDER.glob("*.json")}
    return {**profiles, _PROLIFIC: _prolific()}


def _prolific() -> dict[str, Any]:
    """Return a profile with more jobs than a CV accepts, each with a long description."""
    return {
        "basics": {"name": "Prudence Prolific", "email": "prudence@example.com", "label": "Serial founder"},
        "work": [
            {
                "name": f"Company {number}",
                "position": "Founder",
                "startDate": f"{2000 + number // 12}-{number % 12 + 1:02}",
                "endDate": f"{2001 + number // 12}-{number % 12 + 1:02}",
                "summary": "Grew it. " * 200,
            }
            for number in range(_JOBS)
        ],
        "skills": [{"name": f"Skill {number}"} for number in range(_JOBS)],
    }
