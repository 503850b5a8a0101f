"""HTTP routes of auth: parse the request, call one action, serialize the result."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from cv_common.app import CallerDep, provide_context
from cv_common.drf.body import BodyReader, ParsedBody, PartialBodyReader, partial
from cv_common.drf.openapi import NO_IDENTITY, OPTIONAL_TOKEN, openapi_extra, read_examples
from cv_common.kernel.identity import SESSION_END_HEADER, Caller
from cv_common.kernel.responses import JSONResponse, no_content
from fastapi import APIRouter, Depends
from starlette.responses import Response

from cv_auth.actions import accounts, sessions, tokens
from cv_auth.actions.context import Context
from cv_auth.domain.tokens import Tokens
from cv_auth.schemas import (
    AccessToken,
    ChangePasswordBody,
    Empty,
    EraseBody,
    LoginBody,
    Message,
    Profile,
    ProfileBody,
    RefreshBody,
    RegisterBody,
    Registered,
    RemainingSession,
    SessionsBody,
    serialize_profile,
)

router = APIRouter(prefix="/api/auth", tags=["auth"])
well_known = APIRouter(include_in_schema=False)
internal = APIRouter(include_in_schema=False)
"""Routes for the gateway itself, which no public prefix leads to."""

_EXAMPLES = read_examples("cv_auth")

USERS_ONLY = ("/api/auth/profile/", "/api/auth/change-password/")


async def _provide_user_id(caller: CallerDep) -> int:
    """Return the user's id. The middleware answers 401 to everybody else on the paths of `USERS_ONLY`."""
    assert caller.user_id is not None
    return caller.user_id


ContextDep = Annotated[Context, Depends(provide_context)]
UserIdDep = Annotated[int, Depends(_provide_user_id)]


def _session_end(caller: Caller) -> dict[str, str]:
    """Return the header that makes the gateway end the visitor's anonymous session: the account has replaced it."""
    return {SESSION_END_HEADER: "1"} if caller.session_id else {}


@router.post(
    "/register/",
    status_code=201,
    response_model=Registered,
    openapi_extra=openapi_extra(security=NO_IDENTITY, response_headers=("Set-Cookie",), examples=_EXAMPLES["register"]),
    summary="Create an account; it takes over the visitor's resumes and purchases",
)
async def register(
    context: ContextDep,
    caller: CallerDep,
    body: Annotated[ParsedBody[RegisterBody], Depends(PartialBodyReader(RegisterBody))],
) -> Response:
    account = await accounts.register(context, caller, body)
    content = {"user": serialize_profile(account, datetime.now(UTC)), "message": "User registered successfully"}
    return JSONResponse(content, status_code=201, headers=_session_end(caller))


@router.post(
    "/login/",
    response_model=Tokens,
    openapi_extra=openapi_extra(security=NO_IDENTITY, response_headers=("Set-Cookie",), examples=_EXAMPLES["login"]),
    summary="Log in; the account takes over the visitor's resumes and purchases",
)
async def login(
    context: ContextDep, caller: CallerDep, body: Annotated[LoginBody, Depends(BodyReader(LoginBody))]
) -> Response:
    pair = await tokens.login(context, caller, body)
    return JSONResponse(asdict(pair), headers=_session_end(caller))


@router.post(
    "/refresh/",
    response_model=AccessToken,
    openapi_extra=openapi_extra(security=NO_IDENTITY, examples=_EXAMPLES["refresh"]),
    summary="Exchange a refresh token for a new access token",
)
async def refresh(context: ContextDep, body: Annotated[RefreshBody, Depends(BodyReader(RefreshBody))]) -> Response:
    return JSONResponse({"access": await tokens.refresh(context, body)})


@router.post(
    "/logout/",
    response_model=Empty,
    openapi_extra=openapi_extra(security=OPTIONAL_TOKEN, examples=_EXAMPLES["logout"]),
    summary="Revoke a refresh token",
)
async def logout(context: ContextDep, body: Annotated[RefreshBody, Depends(BodyReader(RefreshBody))]) -> Response:
    await tokens.logout(context, body)
    return JSONResponse({})


@router.get(
    "/profile/",
    response_model=Profile,
    openapi_extra=openapi_extra(examples=_EXAMPLES["get_profile"]),
    summary="Get the user's account",
)
async def get_profile(context: ContextDep, user_id: UserIdDep) -> Response:
    return JSONResponse(serialize_profile(await accounts.get_account(context, user_id), datetime.now(UTC)))


@router.patch(
    "/profile/",
    response_model=Profile,
    openapi_extra=openapi_extra(examples=_EXAMPLES["change_profile"]),
    summary="Change the sent fields of the user's account",
)
async def change_profile(
    context: ContextDep,
    user_id: UserIdDep,
    body: Annotated[ParsedBody[ProfileBody], Depends(PartialBodyReader(partial(ProfileBody)))],
) -> Response:
    return JSONResponse(serialize_profile(await accounts.change_profile(context, user_id, body), datetime.now(UTC)))


@router.delete(
    "/profile/",
    status_code=204,
    openapi_extra=openapi_extra(examples=_EXAMPLES["erase_account"]),
    summary="Delete the user's account and all of its data",
)
async def erase_account(
    context: ContextDep, user_id: UserIdDep, body: Annotated[EraseBody, Depends(BodyReader(EraseBody))]
) -> Response:
    await accounts.erase(context, user_id, body)
    return no_content()


@router.post(
    "/change-password/",
    response_model=Message,
    openapi_extra=openapi_extra(examples=_EXAMPLES["change_password"]),
    summary="Change the user's password and revoke all refresh tokens",
)
async def change_password(
    context: ContextDep,
    user_id: UserIdDep,
    body: Annotated[ParsedBody[ChangePasswordBody], Depends(PartialBodyReader(ChangePasswordBody))],
) -> Response:
    await accounts.change_password(context, user_id, body)
    return JSONResponse({"message": "Password changed successfully"})


@well_known.get("/.well-known/jwks.json")
async def get_key_set(context: ContextDep) -> Response:
    """Return the public keys that verify access tokens."""
    return JSONResponse(context.token_keys.key_set(), headers={"Cache-Control": "public, max-age=300"})


@internal.post("/sessions/merge/", response_model=RemainingSession)
async def merge_sessions(context: ContextDep, caller: CallerDep, body: SessionsBody) -> Response:
    return JSONResponse({"session_id": await sessions.merge(context, caller, body.session_ids)})
