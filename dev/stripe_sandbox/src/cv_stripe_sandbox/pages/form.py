"""Read urlencoded form bodies."""

from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from cv_stripe_sandbox.errors import StripeError

Form = dict[str, str]


async def read_form(request: Request) -> Form:
    """Return the non-empty fields of a urlencoded body.

    Raises StripeError (403) for a form on another site, which could reach the sandbox through the developer's browser.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin != "null" and urlsplit(origin).netloc != request.headers.get("host"):
        raise StripeError("This form was posted from another site.", status=403)
    fields = parse_qsl((await request.body()).decode())
    return {name: value.strip() for name, value in fields if value.strip()}
