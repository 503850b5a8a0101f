"""The JSON of requests and responses about accounts."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from cv_common.drf.addresses import normalized_email
from cv_common.drf.body import RequestBody
from cv_common.drf.fields import Email, Text
from pydantic import BaseModel, Field

from cv_auth.domain.accounts import Account
from cv_auth.domain.passwords import MAX_LENGTH


class Username(Text):
    """Django's username: letters and digits of any script, and `@.+-_`."""

    form = "NFKC"
    """As in Django: full-width letters and other compatibility forms become the plain letters."""
    _ALLOWED = re.compile(r"[\w.@+-]+")

    def errors(self, text: str) -> Iterator[str]:
        if not self._ALLOWED.fullmatch(text):
            yield "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."
        yield from super().errors(text)


class AccountEmail(Email):
    """The address of an account. An internationalized domain is stored in its Unicode form."""

    def parse(self, value: Any) -> str:
        return normalized_email(super().parse(value))


class Name(Text):
    """An optional name: null becomes an empty string."""

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length, null=True)

    def validate(self, value: Any) -> str:
        return super().validate(value) or ""


_Name = Annotated[str, Name(150)]
_Password = Annotated[str, Text(MAX_LENGTH)]
# Longer than any token, so that an invalid token gets 401 and no field error.
_Token = Annotated[str, Text(10_000)]


class ProfileBody(RequestBody):
    """The editable fields of an account."""

    username: Annotated[str, Username(150)]
    email: Annotated[str, AccountEmail(254)]
    first_name: _Name = ""
    last_name: _Name = ""
    phone: Annotated[str | None, Text(20, null=True)] = None


class RegisterBody(ProfileBody):
    """A new account, with its password twice."""

    password: _Password
    password2: _Password


class LoginBody(RequestBody):
    """Credentials. The email is plain text: an invalid address fails to log in (401) and is no field error."""

    email: Annotated[str, Text(254)]
    password: _Password


class RefreshBody(RequestBody):
    """A refresh token."""

    refresh: _Token


class ChangePasswordBody(RequestBody):
    """The current password, and the new one twice."""

    old_password: _Password
    new_password: _Password
    new_password2: _Password


class EraseBody(RequestBody):
    """The password, so that a stolen access token cannot delete the account."""

    password: _Password


class SessionsBody(BaseModel):
    """The sessions of one visitor, the preferred one first. Sent by the gateway."""

    session_ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=20)]


class RemainingSession(BaseModel):
    """The session that the others were merged into."""

    session_id: str


class Profile(BaseModel):
    """An account."""

    id: int
    username: str
    email: str
    first_name: str
    last_name: str
    phone: str | None
    is_premium: bool
    subscription_type: Literal["monthly", "yearly"] | None
    subscription_end_date: datetime | None
    created_at: datetime


class Registered(BaseModel):
    """A new account."""

    user: Profile
    message: str


class AccessToken(BaseModel):
    """A new access token."""

    access: str


class Message(BaseModel):
    """A confirmation."""

    message: str


class Empty(BaseModel):
    """An empty object."""


def serialize_profile(account: Account, now: datetime) -> dict[str, object]:
    """Serialize a `Profile`, with the subscription at `now`."""
    is_premium = account.is_premium(now)
    return {
        "id": account.id,
        "username": account.username,
        "email": account.email,
        "first_name": account.first_name,
        "last_name": account.last_name,
        "phone": account.phone,
        "is_premium": is_premium,
        "subscription_type": account.subscription_type if is_premium else None,
        "subscription_end_date": account.subscription_end_date if is_premium else None,
        "created_at": account.created_at,
    }
