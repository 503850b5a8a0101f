"""Path parameter and bodies of the internal requests by which auth ends an anonymous session in another service.

`POST /internal/sessions/{session_id}/claim/` and `POST /internal/sessions/{session_id}/merge/`.
"""

from typing import Annotated

from fastapi import Path

from cv_common.drf.body import RequestBody
from cv_common.drf.fields import Integer, Text
from cv_common.kernel.identity import MAX_ID

SessionId = Annotated[str, Path(max_length=64)]


class ClaimBody(RequestBody):
    """The account that gets what the anonymous session owns."""

    user_id: Annotated[int, Integer(maximum=MAX_ID)]


class MergeBody(RequestBody):
    """The session that gets what the anonymous session owns."""

    into_session_id: Annotated[str, Text(64)]
