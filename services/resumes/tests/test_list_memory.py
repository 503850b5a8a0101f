"""A list of the largest resumes takes bounded memory."""

import os
import sys
from pathlib import Path

import httpx
import psycopg
import pytest
from cv_testing.identity import IdentityKeys
from cv_testing.ports import free_port
from cv_testing.supervisor import Program, responds, running

MIB = 2**20
LARGEST = {
    "template": 1,
    "full_name": "Marie Dubois",
    "email": "marie.dubois@example.com",
    "custom_sections": [{"title": "Liste", "content": "", "lists": [[]] * 85_000}],
}
"""Of 256 KB, and 5 MB as Python objects."""
COUNT = 28


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="what a process took at most is read in /proc")
async def test_long_list_is_not_held_in_memory(
    environment: dict[str, str], database_url: str, identity_keys: IdentityKeys
) -> None:
    port, user = free_port(), identity_keys.user("resumes", 7)
    url = f"http://127.0.0.1:{port}"
    program = Program(
        "resumes",
        [sys.executable, "-m", "cv_common.kernel.server", "cv_resumes.main:app", "--port", str(port)],
        {**os.environ, **environment, "DATABASE_URL": database_url},
        lambda: responds(f"{url}/readyz"),
    )
    with running(program) as keeper:
        async with httpx.AsyncClient(base_url=url, headers=user, timeout=60) as resumes:
            assert (await resumes.post("/api/resumes/", json=LARGEST)).status_code == 201
            multiply(database_url)
            before = peak(keeper.pid)
            listed = (await resumes.get("/api/resumes/")).json()
            after = peak(keeper.pid)

    assert len(listed) == COUNT
    assert (after - before) // MIB < 100


def multiply(database_url: str) -> None:
    """Make so many of the one resume."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into resumes (owner, template_id, template_is_premium, full_name, email, custom_sections, revision)"
            " select owner, template_id, template_is_premium, full_name, email, custom_sections, revision from resumes,"
            " generate_series(2, %s)",
            (COUNT,),
        )


def peak(pid: int | None) -> int:
    """Bytes that a process had at most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024
