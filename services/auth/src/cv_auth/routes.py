"""The HTTP door of auth: read the request, call one action, shape the answer."""

from datetime import UTC, datetime

from cv_common.app import get_caller, get_context
from cv_common.drf.body import partial, read_data
from cv_common.drf.openapi import NOBODY, TOKEN_OR_NOTHING, openapi_extra, read_examples
from cv_common.kernel.identity import SESSION_END_HEADER
from cv_common.kernel.responses import JSONResponse, no_content
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cv_auth.actions import accounts, sessions, tokens
from cv_auth.schemas import (
    AccessToken,
    ChangePasswordBody,
    EraseBody,
    LoginBody,
    Message,
    Nothing,
    Profile,
    ProfileBody,
    RefreshBody,
    RegisterBody,
    Registered,
    RemainingSession,
    SessionsBody,
    Tokens,
    present_profile,
)

router = APIRouter(prefix="/api/auth", tags=["auth"])
published = APIRouter(include_in_schema=False)
sessions_router = APIRouter(include_in_schema=False)
"""What the gateway asks for itself: no public prefix leads here."""

_EXAMPLES = read_examples("cv_auth")

USERS_ONLY = ("/api/auth/profile/", "/api/auth/change-password/")


def _user_id(request: Request) -> int:
    """Who is logged in; the frame lets nobody else through to a path of `USERS_ONLY`."""
    user_id = get_caller(request).user_id
    assert user_id is not None
    return user_id


def _session_ended(request: Request) -> dict[str, str]:
    """Whoever has an account now needs no anonymous session any more."""
    return {SESSION_END_HEADER: "1"} if get_caller(request).session_id else {}


@router.post(
    "/register/",
    status_code=201,
    response_model=Registered,
    openapi_extra=openapi_extra(
        RegisterBody, security=NOBODY, answered=("Set-Cookie",), examples=_EXAMPLES["register"]
    ),
    summary="Make an account; what the visitor has made so far becomes its own",
)
async def register(request: Request) -> Response:
    row = await accounts.register(get_context(request), get_caller(request), await read_data(request))
    body = {"user": present_profile(row, datetime.now(UTC)), "message": "User registered successfully"}
    return JSONResponse(body, status_code=201, headers=_session_ended(request))


@router.post(
    "/login/",
    response_model=Tokens,
    openapi_extra=openapi_extra(LoginBody, security=NOBODY, answered=("Set-Cookie",), examples=_EXAMPLES["login"]),
    summary="Log in; what the visitor has made so far becomes the account's",
)
async def login(request: Request) -> Response:
    pair = await tokens.login(get_context(request), get_caller(request), await read_data(request))
    return JSONResponse(pair, headers=_session_ended(request))


@router.post(
    "/refresh/",
    response_model=AccessToken,
    openapi_extra=openapi_extra(RefreshBody, security=NOBODY, examples=_EXAMPLES["refresh"]),
    summary="A new access token for a refresh token",
)
async def refresh(request: Request) -> Response:
    return JSONResponse({"access": await tokens.refresh(get_context(request), await read_data(request))})


@router.post(
    "/logout/",
    response_model=Nothing,
    openapi_extra=openapi_extra(RefreshBody, security=TOKEN_OR_NOTHING, examples=_EXAMPLES["logout"]),
    summary="End a refresh token",
)
async def logout(request: Request) -> Response:
    await tokens.logout(get_context(request), await read_data(request))
    return JSONResponse({})


@router.get(
    "/profile/",
    response_model=Profile,
    openapi_extra=openapi_extra(examples=_EXAMPLES["get_profile"]),
    summary="My account",
)
async def get_profile(request: Request) -> Response:
    row = await accounts.profile(get_context(request), _user_id(request))
    return JSONResponse(present_profile(row, datetime.now(UTC)))


@router.patch(
    "/profile/",
    response_model=Profile,
    openapi_extra=openapi_extra(partial(ProfileBody), examples=_EXAMPLES["change_profile"]),
    summary="Change the fields that are sent",
)
async def change_profile(request: Request) -> Response:
    row = await accounts.change_profile(get_context(request), _user_id(request), await read_data(request))
    return JSONResponse(present_profile(row, datetime.now(UTC)))


@router.delete(
    "/profile/",
    status_code=204,
    openapi_extra=openapi_extra(EraseBody, examples=_EXAMPLES["erase_account"]),
    summary="Erase my account and everything in it, for ever",
)
async def erase_account(request: Request) -> Response:
    await accounts.erase(get_context(request), _user_id(request), await read_data(request))
    return no_content()


@router.post(
    "/change-password/",
    response_model=Message,
    openapi_extra=openapi_extra(ChangePasswordBody, examples=_EXAMPLES["change_password"]),
    summary="Change my password; every refresh token ends",
)
async def change_password(request: Request) -> Response:
    await accounts.change_password(get_context(request), _user_id(request), await read_data(request))
    return JSONResponse({"message": "Password changed successfully"})


@published.get("/.well-known/jwks.json")
async def key_set(request: Request) -> Response:
    """The public keys that verify access tokens."""
    return JSONResponse(get_context(request).token_keys.key_set(), headers={"Cache-Control": "public, max-age=300"})


@sessions_router.post("/sessions/merge/", response_model=RemainingSession)
async def merge_sessions(request: Request, body: SessionsBody) -> Response:
    remaining = await sessions.merge(get_context(request), get_caller(request), body.session_ids)
    return JSONResponse({"session_id": remaining})
