"""The resumes service."""

from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.http import ServiceClient


class Resumes:
    """What payments asks of resumes."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def exists(self, resume_id: int) -> bool:
        """Whether there is such a resume, whosever it is. Raises ServiceUnavailable."""
        reply = await self._client.get(f"/internal/resumes/{resume_id}/")
        if reply.status not in (200, 404):
            raise ServiceUnavailable
        return reply.status == 200
