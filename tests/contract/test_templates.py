"""Section 2 of the document, example by example.

The document has the templates 1 to 3. Lists have them first; later templates follow."""

from io import BytesIO

import pytest
from PIL import Image

from tests.contract.conftest import TEMPLATES, Compare
from tests.contract.document import example
from tests.integration.visitor import Visitor


async def test_2_1_list(visitor: Visitor, compare: Compare) -> None:
    answer = await visitor.get("/api/templates/")
    assert compare(answer[:3], example("2.1 response")) == []
    assert [template["id"] for template in answer] == list(TEMPLATES)


async def test_2_1_thumbnails_are_images(visitor: Visitor) -> None:
    pages = []
    for template in await visitor.get("/api/templates/"):
        picture = await visitor.request("GET", template["thumbnail"])
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
        page = Image.open(BytesIO(picture.content))
        assert page.format == "PNG"
        assert page.height / page.width == pytest.approx(297 / 210, abs=0.01), "not A4"
        assert len(page.convert("L").getcolors() or []) > 50, "an empty page"
        pages.append(picture.content)
    assert len(set(pages)) == len(TEMPLATES)


async def test_2_2_retrieve(visitor: Visitor, compare: Compare) -> None:
    assert compare(await visitor.get("/api/templates/1/"), example("2.2 response")) == []


async def test_2_3_free(visitor: Visitor, compare: Compare) -> None:
    answer = await visitor.get("/api/templates/free/")
    assert compare(answer[:1], example("2.3 response")) == []
    assert all(not template["is_premium"] for template in answer)


async def test_2_4_premium(visitor: Visitor, compare: Compare) -> None:
    # The example shows only the first; by 2.1 the third template is premium too.
    expected = [*example("2.4 response"), example("2.1 response")[2]]
    answer = await visitor.get("/api/templates/premium/")
    assert compare(answer[:2], expected) == []
    assert all(template["is_premium"] for template in answer)
