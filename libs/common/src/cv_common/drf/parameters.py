"""Request headers as typed route parameters, which FastAPI describes in the OpenAPI document.

async def change_resume(resume_id: Id, if_match: IfMatch = None) -> Response: ...
"""

from typing import Annotated

from fastapi import Header
from pydantic.json_schema import SkipJsonSchema

from cv_common.drf.openapi_headers import EXAMPLE_IDEMPOTENCY_KEY

AcceptLanguage = Annotated[
    str | SkipJsonSchema[None],
    Header(alias="Accept-Language", description="The preferred language, `fr` or `en`.", examples=["fr"]),
]
IdempotencyKeyHeader = Annotated[
    str | SkipJsonSchema[None],
    Header(
        alias="Idempotency-Key",
        description="A key of the client's own. A request that is sent twice with it takes effect once.",
        examples=[EXAMPLE_IDEMPOTENCY_KEY],
        json_schema_extra={"maxLength": 255},
    ),
]
IfMatch = Annotated[
    str | SkipJsonSchema[None],
    Header(
        alias="If-Match",
        description="The `ETag` of the version that the request changes. The answer is 412 if that is not current.",
        examples=['"3"'],
    ),
]
IfNoneMatch = Annotated[
    str | SkipJsonSchema[None],
    Header(
        alias="If-None-Match",
        description="The `ETag` of the version that the client has. The answer is 304 if that is current.",
        examples=['"3"'],
    ),
]
