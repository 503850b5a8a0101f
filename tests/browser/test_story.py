"""A buyer opens the payment pages in a browser and presses their buttons; the API shows the effects."""

import pytest
from cv_stack.system import System
from playwright.async_api import Page, expect
from pypdf import PdfReader

from tests.browser.conftest import TakeScreenshot
from tests.integration.stripe_sandbox import StripeSandbox
from tests.integration.visitor import Visitor, eventually
from tests.integration.visitor import expect as expect_answer

WATERMARK = "CV Builder aperçu"


async def checkout(visitor: Visitor, system: System, **options: object) -> tuple[str, str, str]:
    """Return the URLs of the payment page, and of the pages after paying and after canceling."""
    shop = system.ports.public_url
    body = {
        "success_url": f"{shop}/?paid=yes&session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": f"{shop}/?paid=no",
        **options,
    }
    answer = await visitor.request("POST", "/api/payments/create-checkout/", json=body)
    url = str(expect_answer(answer, 200)["url"])
    return url, f"{shop}/?paid=yes&session={url.rpartition('/')[2]}", f"{shop}/?paid=no"


async def press(page: Page, button: str) -> None:
    await page.get_by_role("button", name=button, exact=True).click()


async def has_watermark(visitor: Visitor, resume_id: int) -> bool:
    """Return whether an export has the watermark. The answer must agree with every page of the PDF."""
    stated, pdf = await visitor.export(resume_id)
    assert _watermarks(pdf) == [stated] * len(pdf.pages)
    return stated


def _watermarks(pdf: PdfReader) -> list[bool]:
    return [WATERMARK in page.extract_text() for page in pdf.pages]


async def test_buyer_pays_for_a_resume(
    marie: Visitor, page: Page, take_screenshot: TakeScreenshot, system: System
) -> None:
    resume = await marie.write_resume()
    assert await has_watermark(marie, resume["id"])
    url, paid, unpaid = await checkout(marie, system, payment_type="single", resume_id=resume["id"])

    await page.goto(url)
    await take_screenshot("checkout")
    await expect(page.get_by_text("No money moves")).to_be_visible()
    await expect(page.get_by_role("button", name="Pay €4.99", exact=True)).to_be_visible()

    await page.get_by_label("E-mail").fill("marie.dubois@example.com")
    await page.get_by_label("Name on card").fill("Marie Dubois")
    refusals = {"Decline": "Your card has been declined.", "3-D Secure fails": "unable to authenticate"}
    for button, reason in refusals.items():
        await press(page, button)
        await expect(page.get_by_role("alert")).to_contain_text(reason)
        await take_screenshot(button.replace(" ", "-"))
        await expect(page.get_by_label("E-mail")).to_have_value("marie.dubois@example.com")
    assert await has_watermark(marie, resume["id"])

    await press(page, "← Cancel")
    await page.wait_for_url(unpaid)
    assert await has_watermark(marie, resume["id"])

    await page.goto(url)
    await page.get_by_label("E-mail").fill("marie.dubois@example.com")
    await press(page, "Pay €4.99")
    await page.wait_for_url(paid)
    await take_screenshot("back-in-the-shop")

    async def is_clean() -> bool:
        return not await has_watermark(marie, resume["id"])

    await eventually(is_clean)
    await page.goto(url)
    await take_screenshot("paid-already")
    await expect(page.get_by_text("This payment has been made.")).to_be_visible()
    await expect(page.get_by_role("button", name="Pay €4.99")).to_have_count(0)
    await page.get_by_role("link", name="Back to the shop").click()
    await page.wait_for_url(paid)

    [payment] = await marie.get("/api/payments/")
    await page.goto(payment["receipt_url"])
    await take_screenshot("receipt")
    await expect(page.get_by_role("heading", name="Receipt")).to_contain_text("succeeded")


@pytest.mark.parametrize(
    ("plan", "button"),
    [
        pytest.param("monthly", "Subscribe €9.99", id="monthly"),
        pytest.param("yearly", "Subscribe €99.99", id="yearly", marks=pytest.mark.operations),
    ],
)
async def test_buyer_subscribes_and_cancels(
    marie: Visitor,
    page: Page,
    take_screenshot: TakeScreenshot,
    system: System,
    sandbox: StripeSandbox,
    plan: str,
    button: str,
) -> None:
    user = await marie.register()
    await marie.login(user["email"])
    resume = await marie.write_resume()
    assert await has_watermark(marie, resume["id"])
    url, paid, unpaid = await checkout(marie, system, payment_type=plan)

    async def is_premium(wanted: str | None) -> bool:
        profile = await marie.get("/api/auth/profile/")
        assert (profile["is_premium"], profile["subscription_type"]) == (wanted is not None, wanted)
        return await has_watermark(marie, resume["id"]) is (wanted is None)

    await page.goto(url)
    await take_screenshot("subscribe")
    await page.get_by_label("E-mail").fill(user["email"])
    await press(page, "Decline")
    await expect(page.get_by_role("alert")).to_contain_text("Your card has been declined.")
    assert await is_premium(None)
    await press(page, button)
    await page.wait_for_url(paid)
    await eventually(lambda: is_premium(plan))

    answer = await marie.request("POST", "/api/payments/portal/", json={"return_url": unpaid})
    portal = str(expect_answer(answer, 200)["url"])
    await page.goto(portal)
    await take_screenshot("portal")
    await press(page, "Cancel subscription")
    await expect(page.get_by_role("status")).to_be_visible()
    await expect(page.get_by_role("button", name="Don't cancel")).to_be_visible()
    await take_screenshot("portal-cancelled")
    await page.get_by_role("link", name="Return to the shop").click()
    await page.wait_for_url(unpaid)
    assert await is_premium(plan), "what is paid for stays until its end"

    subscription = await sandbox.subscription(portal)
    await page.goto(system.ports.stripe_url)
    await take_screenshot("dashboard")
    own = page.locator("form").filter(has=page.locator(f'input[value="{subscription}"]'))
    await own.get_by_role("button", name="End now as scheduled").click()
    await expect(page.get_by_role("status")).to_contain_text("Done")
    await eventually(lambda: is_premium(None))
    await page.goto(portal)
    await take_screenshot("portal-after-the-end")
    await expect(page.get_by_text("You have no subscription.")).to_be_visible()
