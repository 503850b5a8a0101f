"""Reading what a page's form, or curl, has posted."""

from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from cv_stripe_sandbox.errors import StripeError

Form = dict[str, str]


async def posted(request: Request) -> Form:
    """The fields of a urlencoded body (none at all is fine); empty fields count as not given.

    A form of another site is refused: the pages know no cookie, but the developer's browser reaches them.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin != "null" and urlsplit(origin).netloc != request.headers.get("host"):
        raise StripeError("This form was posted from another site.", status=403)
    fields = parse_qsl((await request.body()).decode())
    return {name: value.strip() for name, value in fields if value.strip()}
