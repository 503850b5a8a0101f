"""The resumes service."""

from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.http import ServiceClient


class Resumes:
    """Client of the resumes service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def exists(self, resume_id: int) -> bool:
        """Return whether a resume with this id exists, whoever owns it. Raises ServiceUnavailable."""
        response = await self._client.get(f"/internal/resumes/{resume_id}/")
        if response.status not in (200, 404):
            raise ServiceUnavailable
        return response.status == 200
