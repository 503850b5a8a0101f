"""The machine's Chromium with a new profile for each test, and a visitor."""

import itertools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cv_stack.secrets import Secrets
from cv_stack.system import System
from playwright.async_api import Browser, Page, async_playwright

from tests.integration.stripe_sandbox import StripeSandbox
from tests.integration.visitor import Visitor

CHROMIUM = ("chromium", "google-chrome-stable", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

TakeScreenshot = Callable[[str], Awaitable[None]]


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Yield the browser, started once."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("needs Chromium: install the package chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """Yield an empty tab. The test fails if a page has a JavaScript error."""
    errors: list[str] = []
    async with await chromium.new_context(viewport={"width": 1100, "height": 900}) as context:
        page = await context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
    assert errors == []


@pytest.fixture
def take_screenshot(page: Page, tmp_path: Path) -> TakeScreenshot:
    """Saves a screenshot of the whole page in the test's folder."""
    numbers = itertools.count(1)

    async def take_screenshot(name: str) -> None:
        await page.screenshot(path=tmp_path / f"{next(numbers):02}-{name}.png", full_page=True)

    return take_screenshot


@pytest.fixture
async def marie(system: System) -> AsyncIterator[Visitor]:
    """Yield a new visitor without a session."""
    async with Visitor(system.ports.public_url) as visitor:
        yield visitor


@pytest.fixture
async def sandbox(system: System) -> AsyncIterator[StripeSandbox]:
    """Yield the Stripe sandbox."""
    api_key = Secrets(system.data / "secrets.json").token("stripe api key", "sk_test_")
    async with StripeSandbox(system.ports.stripe_url, api_key) as sandbox:
        yield sandbox
