"""The comparison with examples finds every difference."""

from typing import Any

import pytest

from tests.contract.comparison import differences
from tests.contract.document import example

BASE = "http://localhost:54321"
RESUME = example("3.1 response, user")[0] | {
    "photo": f"{BASE}/media/resumes/photos/0123456789abcdefghijkl.jpg",
}


def test_documented_response_has_no_difference() -> None:
    generated = {"id": 77, "user": 99, "updated_at": "2026-01-02T03:04:05Z"}
    assert differences([RESUME | generated], example("3.1 response, user"), BASE) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"more": None},
        {"id": "77"},
        {"id": True},
        {"id": 0},
        {"user": None},
        {"session_id": "0123456789abcdef0123456789abcdef"},
        {"updated_at": "2026-01-02T03:04:05.123Z"},
        {"updated_at": "2026-01-02T03:04:05+00:00"},
        {"photo": "http://localhost:8000/media/resumes/photos/0123456789abcdefghijkl.jpg"},
        {"photo": f"{BASE}/media/resumes/photos/john_doe.jpg"},
        {"photo": None},
        {"is_paid": 1},
        {"title": "developpeur full stack"},
        {"skills": RESUME["skills"][:2]},
        {"skills": [*RESUME["skills"][:2], RESUME["skills"][2] | {"order": "2"}]},
        {"skills": {}},
        {"custom_sections": None},
    ],
)
def test_change_is_a_difference(changes: dict[str, Any]) -> None:
    assert len(differences([RESUME | changes], example("3.1 response, user"), BASE)) == 1


def test_missing_field_is_a_difference() -> None:
    del (less := dict(RESUME))["phone"]
    assert differences([less], example("3.1 response, user"), BASE) == ["answer[0]: no phone"]
