"""The HTTP door of auth: read the request, call one action, shape the answer."""

from datetime import UTC, datetime

from cv_common.app import caller, context_of
from cv_common.body import patched, read_data
from cv_common.identity import SESSION_END_HEADER
from cv_common.openapi import NOBODY, TOKEN_OR_NOTHING, documented, read_examples
from cv_common.responses import JSONResponse, no_content
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
    user_id = caller(request).user_id
    assert user_id is not None
    return user_id


def _session_ended(request: Request) -> dict[str, str]:
    """Whoever has an account now needs no anonymous session any more."""
    return {SESSION_END_HEADER: "1"} if caller(request).session_id else {}


@router.post(
    "/register/",
    status_code=201,
    response_model=Registered,
    openapi_extra=documented(RegisterBody, security=NOBODY, answered=("Set-Cookie",), examples=_EXAMPLES["register"]),
    summary="Make an account; what the visitor has made so far becomes its own",
)
async def register(request: Request) -> Response:
    row = await accounts.register(context_of(request), caller(request), await read_data(request))
    body = {"user": present_profile(row, datetime.now(UTC)), "message": "User registered successfully"}
    return JSONResponse(body, status_code=201, headers=_session_ended(request))


@router.post(
    "/login/",
    response_model=Tokens,
    openapi_extra=documented(LoginBody, security=NOBODY, answered=("Set-Cookie",), examples=_EXAMPLES["login"]),
    summary="Log in; what the visitor has made so far becomes the account's",
)
async def login(request: Request) -> Response:
    pair = await tokens.login(context_of(request), caller(request), await read_data(request))
    return JSONResponse(pair, headers=_session_ended(request))


@router.post(
    "/refresh/",
    response_model=AccessToken,
    openapi_extra=documented(RefreshBody, security=NOBODY, examples=_EXAMPLES["refresh"]),
    summary="A new access token for a refresh token",
)
async def refresh(request: Request) -> Response:
    return JSONResponse({"access": await tokens.refresh(context_of(request), await read_data(request))})


@router.post(
    "/logout/",
    response_model=Nothing,
    openapi_extra=documented(RefreshBody, security=TOKEN_OR_NOTHING, examples=_EXAMPLES["logout"]),
    summary="End a refresh token",
)
async def logout(request: Request) -> Response:
    await tokens.logout(context_of(request), await read_data(request))
    return JSONResponse({})


@router.get(
    "/profile/",
    response_model=Profile,
    openapi_extra=documented(examples=_EXAMPLES["get_profile"]),
    summary="My account",
)
async def get_profile(request: Request) -> Response:
    row = await accounts.profile(context_of(request), _user_id(request))
    return JSONResponse(present_profile(row, datetime.now(UTC)))


@router.patch(
    "/profile/",
    response_model=Profile,
    openapi_extra=documented(patched(ProfileBody), examples=_EXAMPLES["change_profile"]),
    summary="Change the fields that are sent",
)
async def change_profile(request: Request) -> Response:
    row = await accounts.change_profile(context_of(request), _user_id(request), await read_data(request))
    return JSONResponse(present_profile(row, datetime.now(UTC)))


@router.delete(
    "/profile/",
    status_code=204,
    openapi_extra=documented(EraseBody, examples=_EXAMPLES["erase_account"]),
    summary="Erase my account and everything in it, for ever",
)
async def erase_account(request: Request) -> Response:
    await accounts.erase(context_of(request), _user_id(request), await read_data(request))
    return no_content()


@router.post(
    "/change-password/",
    response_model=Message,
    openapi_extra=documented(ChangePasswordBody, examples=_EXAMPLES["change_password"]),
    summary="Change my password; every refresh token ends",
)
async def change_password(request: Request) -> Response:
    await accounts.change_password(context_of(request), _user_id(request), await read_data(request))
    return JSONResponse({"message": "Password changed successfully"})


@published.get("/.well-known/jwks.json")
async def key_set(request: Request) -> Response:
    """The public keys that verify access tokens."""
    return JSONResponse(context_of(request).token_keys.key_set(), headers={"Cache-Control": "public, max-age=300"})


@sessions_router.post("/sessions/merge/", response_model=RemainingSession)
async def merge_sessions(request: Request, body: SessionsBody) -> Response:
    remaining = await sessions.merge(context_of(request), caller(request), body.session_ids)
    return JSONResponse({"session_id": remaining})
