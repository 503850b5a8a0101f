"""The JSON of the contract for accounts: what comes in, what goes out."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from cv_common.drf.addresses import normalized_email
from cv_common.drf.body import RequestBody
from cv_common.drf.fields import Email, Text
from cv_common.kernel.database import Row
from pydantic import BaseModel, Field

from cv_auth.domain.passwords import MAX_LENGTH
from cv_auth.domain.subscriptions import current_subscription


class Username(Text):
    """Django's username: letters and digits of any script, and four signs."""

    form = "NFKC"
    """As in Django: letters that only look alike, such as full-width ones, make no second name."""
    _ALLOWED = re.compile(r"[\w.@+-]+")

    def errors(self, text: str) -> Iterator[str]:
        if not self._ALLOWED.fullmatch(text):
            yield "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."
        yield from super().errors(text)


class AccountEmail(Email):
    """An account's address: its domain is kept in its own letters, however it was spelled."""

    def parse(self, value: Any) -> str:
        return normalized_email(super().parse(value))


class Name(Text):
    """A name that may be left out: null is the empty one."""

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length, null=True)

    def validate(self, value: Any) -> str:
        return super().validate(value) or ""


_Name = Annotated[str, Name(150)]
_Password = Annotated[str, Text(MAX_LENGTH)]
# Long enough for any token of ours; what is no token is said by 401, not by its length.
_Token = Annotated[str, Text(10_000)]


class ProfileBody(RequestBody):
    """What people say of themselves."""

    username: Annotated[str, Username(150)]
    email: Annotated[str, AccountEmail(254)]
    first_name: _Name = ""
    last_name: _Name = ""
    phone: Annotated[str | None, Text(20, null=True)] = None


class RegisterBody(ProfileBody):
    """An account, with its password typed twice."""

    password: _Password
    password2: _Password


class LoginBody(RequestBody):
    """Who somebody says they are. An address that is none is a login that fails, not a field error."""

    email: Annotated[str, Text(254)]
    password: _Password


class RefreshBody(RequestBody):
    """A refresh token."""

    refresh: _Token


class ChangePasswordBody(RequestBody):
    """The password, and a new one typed twice."""

    old_password: _Password
    new_password: _Password
    new_password2: _Password


class EraseBody(RequestBody):
    """The password: nobody erases an account with a stolen access token alone."""

    password: _Password


class SessionsBody(BaseModel):
    """The sessions of one visitor, the one to keep first: the gateway sends them."""

    session_ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=20)]


class RemainingSession(BaseModel):
    """The session that others were merged into."""

    session_id: str


class Profile(BaseModel):
    """An account as it is answered."""

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


class Tokens(BaseModel):
    """What a login gives."""

    access: str
    refresh: str


class AccessToken(BaseModel):
    """What a refresh gives."""

    access: str


class Message(BaseModel):
    """One sentence."""

    message: str


class Nothing(BaseModel):
    """An empty object."""


def present_profile(row: Row, now: datetime) -> dict[str, Any]:
    """A stored account with its subscription as the contract's JSON, at the moment `now`."""
    subscription = current_subscription(
        row["subscription_type"], row["subscription_end_date"], row["entitled_until"], now
    )
    return {
        "id": row["id"],
        "username": row["username"],
        "email": row["email"],
        "first_name": row["first_name"],
        "last_name": row["last_name"],
        "phone": row["phone"],
        "is_premium": subscription.is_premium,
        "subscription_type": subscription.subscription_type,
        "subscription_end_date": subscription.subscription_end_date,
        "created_at": row["created_at"],
    }
