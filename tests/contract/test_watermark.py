"""The note of 3.6 and annex C as a truth table: which PDFs have a watermark, and what the resume shows."""

import itertools
from typing import Any

import httpx
import pytest
from cv_stack.secrets import Secrets
from cv_stack.system import System

from tests.contract.conftest import subscribe
from tests.integration.visitor import TLS, Visitor, eventually, expect

LIST = "/api/resumes/"
FREE, PREMIUM = 1, 2
WATERMARK = "CV Builder aperçu"
PAGES = [
    {"company": f"Agence {n}", "position": "x", "start_date": "2020-01-01", "description": "Projets.\n" * 15}
    for n in range(12)
]
"""Experiences that fill three pages with few glyphs, which take time to lay out and to extract."""

# template, bought, entitled: is_paid, payment_type, can_export_without_watermark
TABLE = {
    (FREE, False, False): (False, "free", True),
    (FREE, False, True): (True, "subscription", True),
    (FREE, True, False): (True, "single", True),
    (FREE, True, True): (True, "single", True),
    (PREMIUM, False, False): (False, "free", False),
    (PREMIUM, False, True): (True, "subscription", True),
    (PREMIUM, True, False): (True, "single", True),
    (PREMIUM, True, True): (True, "single", True),
}


def test_table_is_complete() -> None:
    assert set(TABLE) == set(itertools.product((FREE, PREMIUM), (False, True), (False, True)))


@pytest.mark.parametrize(("template", "bought", "entitled"), TABLE)
async def test_watermark_follows_the_table(visitor: Visitor, template: int, bought: bool, entitled: bool) -> None:
    resume = await visitor.write_resume(template=template, full_name="Jane Smith", experience_data=PAGES)
    if bought:
        await buy(visitor, resume)
    if entitled:
        await subscribe(visitor)
    await assert_all_agree(visitor, resume["id"], TABLE[template, bought, entitled])


async def test_payments_of_others_have_no_effect(visitor: Visitor, stranger: Visitor) -> None:
    bought, plain = await visitor.write_resume(), await visitor.write_resume(experience_data=PAGES)
    theirs = await stranger.write_resume(experience_data=PAGES)
    await buy(visitor, bought)
    await assert_all_agree(visitor, plain["id"], TABLE[PREMIUM, False, False])
    await subscribe(visitor)
    await assert_all_agree(stranger, theirs["id"], TABLE[PREMIUM, False, False])


async def test_anyone_may_pay_for_a_resume(visitor: Visitor, stranger: Visitor) -> None:
    resume = await visitor.write_resume(experience_data=PAGES)
    await stranger.pay(await stranger.checkout(resume["id"]))
    await eventually_has_type(visitor, resume, "single")
    await assert_all_agree(visitor, resume["id"], TABLE[PREMIUM, True, False])


async def test_template_decides_without_a_payment(visitor: Visitor) -> None:
    resume = await visitor.write_resume(template=FREE, experience_data=PAGES)
    for template in (PREMIUM, FREE, PREMIUM):
        expect(await visitor.request("PATCH", f"{LIST}{resume['id']}/", json={"template": template}), 200)
        await assert_all_agree(visitor, resume["id"], TABLE[template, False, False])


async def test_ended_subscription_does_not_entitle(visitor: Visitor, system: System) -> None:
    resume = await visitor.write_resume(experience_data=PAGES)
    await subscribe(visitor)
    await end_newest_subscription(system)
    await eventually_has_type(visitor, resume, "free")
    await assert_all_agree(visitor, resume["id"], TABLE[PREMIUM, False, False])


async def buy(visitor: Visitor, resume: dict[str, Any]) -> None:
    await visitor.pay(await visitor.checkout(resume["id"]))
    await eventually_has_type(visitor, resume, "single")


async def eventually_has_type(visitor: Visitor, resume: dict[str, Any], payment_type: str) -> None:
    async def has_type() -> bool:
        return bool((await visitor.get(f"{LIST}{resume['id']}/"))["payment_type"] == payment_type)

    await eventually(has_type)


async def end_newest_subscription(system: System) -> None:
    """Cancel the newest subscription at Stripe immediately."""
    key = Secrets(system.data / "secrets.json").token("stripe api key", "sk_test_")
    async with httpx.AsyncClient(base_url=system.ports.stripe_url, auth=(key, ""), verify=TLS) as stripe:
        (newest,) = expect(await stripe.get("/v1/subscriptions", params={"limit": 1}), 200)["data"]
        expect(await stripe.post("/sandbox/cancel", json={"subscription": newest["id"]}), 200)


async def assert_all_agree(visitor: Visitor, resume_id: int, expected: tuple[bool, str, bool]) -> None:
    """Check that the resume, the list, the export, the file name and all pages agree."""
    path = f"{LIST}{resume_id}/"
    listed = next(each for each in await visitor.get(LIST) if each["id"] == resume_id)
    for shown in (await visitor.get(path), listed, expect(await visitor.request("PATCH", path, json={}), 200)):
        said = (shown["is_paid"], shown["payment_type"], shown["can_export_without_watermark"])
        assert said == expected

    watermarked = not expected[2]
    answer = expect(await visitor.request("POST", f"{path}export_pdf/", json={}), 200)
    assert answer["has_watermark"] is watermarked
    assert answer["pdf_url"].endswith("_watermarked.pdf") is watermarked
    pdf = await visitor.fetch(answer["pdf_url"])
    assert len(pdf.pages) >= 3
    assert [WATERMARK in page.extract_text() for page in pdf.pages] == [watermarked] * len(pdf.pages)
