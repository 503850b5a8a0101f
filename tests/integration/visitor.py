"""A visitor of the running system: sends requests, and keeps cookies and an access token."""

import io
import itertools
import ssl
from functools import partial
from types import TracebackType
from typing import Any, Self

import httpx
from cv_testing import serving
from pypdf import PdfReader

_numbers = itertools.count(1)
PASSWORD = "SecurePass123!"
TLS = ssl.create_default_context()
"""Shared by all HTTP clients: each would spend 30 ms on loading the certificates of authorities."""


class Visitor:
    """Reaches the system through the gateway and pays at the Stripe sandbox."""

    def __init__(self, public_url: str) -> None:
        self._url = public_url
        self._client = httpx.AsyncClient(base_url=public_url, timeout=60, verify=TLS)
        self.token: str | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    @property
    def cookies(self) -> httpx.Cookies:
        return self._client.cookies

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request; `headers` override the default ones."""
        headers = httpx.Headers(options.pop("headers", None))
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        return await self._client.request(method, path, headers=headers, **options)

    async def get(self, path: str) -> Any:
        return expect(await self.request("GET", path), 200)

    async def write_resume(self, **fields: Any) -> dict[str, Any]:
        """Create a resume, by default with a premium template."""
        body = {"template": 2, "full_name": "Marie Dubois", "email": "marie.dubois@example.com", **fields}
        created: dict[str, Any] = expect(await self.request("POST", "/api/resumes/", json=body), 201)
        return created

    async def export(self, resume_id: int) -> tuple[bool, PdfReader]:
        """Export a PDF and fetch it. Returns `has_watermark` of the answer and the PDF."""
        answer = expect(await self.request("POST", f"/api/resumes/{resume_id}/export_pdf/", json={}), 200)
        return answer["has_watermark"], await self.fetch(answer["pdf_url"])

    async def fetch(self, pdf_url: str) -> PdfReader:
        file = await self._client.get(pdf_url)
        assert file.headers["content-type"] == "application/pdf"
        return PdfReader(io.BytesIO(file.content))

    async def checkout(self, resume_id: int | None = None, payment_type: str = "single") -> str:
        """Create a checkout for a resume or a subscription. Returns the URL of its payment page."""
        body = {
            "payment_type": payment_type,
            **({} if resume_id is None else {"resume_id": resume_id}),
            "success_url": f"{self._url}/?paid=yes",
            "cancel_url": f"{self._url}/?paid=no",
        }
        return str(expect(await self.request("POST", "/api/payments/create-checkout/", json=body), 200)["url"])

    async def pay(self, checkout_url: str) -> None:
        """Pay on the payment page."""
        answer = await self._client.post(f"{checkout_url}/pay")
        assert answer.status_code == 303, answer.text

    async def register(self) -> dict[str, Any]:
        """Create an account. It takes over the visitor's session."""
        name = f"marie_{next(_numbers)}"
        body = {
            "username": name, "email": f"{name}@example.com", "password": PASSWORD, "password2": PASSWORD,
            "first_name": "Marie", "last_name": "Dubois", "phone": "+33612345678",
        }  # fmt: skip
        user: dict[str, Any] = expect(await self.request("POST", "/api/auth/register/", json=body), 201)["user"]
        return user

    async def login(self, email: str) -> None:
        body = {"email": email, "password": PASSWORD}
        self.token = expect(await self.request("POST", "/api/auth/login/", json=body), 200)["access"]


def expect(answer: httpx.Response, status: int) -> Any:
    """Return the JSON of a response. Fails unless it has this status."""
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url}: {answer.text}"
    return answer.json()


eventually = partial(serving.eventually, despite=(AssertionError, httpx.HTTPError))
"""Wait until a condition holds; failed assertions and connections count as not yet."""
