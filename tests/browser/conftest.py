"""A Chromium of the machine's own, with a new profile for each test, and a visitor who sits before it."""

import itertools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cv_stack.secrets import Secrets
from cv_stack.system import System
from playwright.async_api import Browser, Page, async_playwright

from tests.integration.bank import Bank
from tests.integration.visitor import Visitor

CHROMIUM = ("chromium", "google-chrome-stable", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

Look = Callable[[str], Awaitable[None]]


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser, once for the whole run."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("no Chromium on this machine: install the package chromium, and the pages are looked at")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """An empty tab, whose pages may not have anything to complain of."""
    complaints: list[str] = []
    async with await chromium.new_context(viewport={"width": 1100, "height": 900}) as context:
        page = await context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
    assert complaints == []


@pytest.fixture
def look(page: Page, tmp_path: Path) -> Look:
    """Keeps a picture of the whole page in the test's folder."""
    numbers = itertools.count(1)

    async def look(name: str) -> None:
        await page.screenshot(path=tmp_path / f"{next(numbers):02}-{name}.png", full_page=True)

    return look


@pytest.fixture
async def marie(system: System) -> AsyncIterator[Visitor]:
    """A visitor whom nobody knows."""
    async with Visitor(system.ports.public_url) as visitor:
        yield visitor


@pytest.fixture
async def bank(system: System) -> AsyncIterator[Bank]:
    """Stripe's side."""
    api_key = Secrets(system.data / "secrets.json").token("stripe api key", "sk_test_")
    async with Bank(system.ports.stripe_url, api_key) as bank:
        yield bank
