"""The pages of invoices and receipts."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cv_stripe_sandbox.errors import missing_object
from cv_stripe_sandbox.pages.render import render_page
from cv_stripe_sandbox.sandbox import Sandbox


class Documents:
    """The pages at `hosted_invoice_url`, `invoice_pdf` and `receipt_url`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        """Return the routes. `invoice_pdf` is the HTML page too."""
        return [
            Route("/i/{invoice}", self.invoice),
            Route("/i/{invoice}/pdf", self.invoice),
            Route("/receipts/{token}", self.receipt),
        ]

    async def invoice(self, request: Request) -> Response:
        """Show an invoice with its lines."""
        with self._sandbox.view() as context:
            invoice = context.objects.get(request.path_params["invoice"], "invoice")
        lines = [(line["description"], line["amount"]) for line in invoice["lines"]["data"]]
        if invoice["total"] != invoice["amount_due"]:
            lines.append(("Customer balance", invoice["amount_due"] - invoice["total"]))
        return render_page(
            "document.html",
            title=f"Invoice {invoice['number']}",
            status=invoice["status"],
            moment=invoice["created"],
            party=invoice["customer_email"],
            lines=lines,
            total=("Amount due" if invoice["status"] == "open" else "Total", invoice["amount_due"]),
            currency=invoice["currency"],
        )

    async def receipt(self, request: Request) -> Response:
        """Show a charge and its refunds."""
        url = f"{self._sandbox.settings.public_url}/receipts/{request.path_params['token']}"
        with self._sandbox.view() as context:
            charges = context.objects.select("charge", {"receipt_url": url})
        if not charges:
            raise missing_object("receipt", request.path_params["token"])
        charged = charges[0]
        lines = [("Payment", charged["amount"])]
        if charged["amount_refunded"]:
            lines.append(("Refunded", -charged["amount_refunded"]))
        return render_page(
            "document.html",
            title="Receipt",
            status="refunded" if charged["refunded"] else charged["status"],
            moment=charged["created"],
            party=charged["billing_details"]["email"],
            lines=lines,
            total=("Paid", charged["amount"] - charged["amount_refunded"]),
            currency=charged["currency"],
        )
