"""Uploads that are not photos."""

import pytest

from tests.contract.document import example
from tests.contract.images import SVG, bomb, jpeg
from tests.integration.visitor import Visitor, expect

LIST = "/api/resumes/"
NO_IMAGE = "Upload a valid image. The file you uploaded was either not an image or a corrupted image."

NOT_SVG = "Upload a valid image. SVG is not an accepted format; upload a JPEG, PNG, WEBP or AVIF image."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "The submitted file is empty.", id="empty"),
        pytest.param(b"<html>not a picture</html>", NO_IMAGE, id="page"),
        pytest.param(SVG, NOT_SVG, id="svg"),
        pytest.param(b"%PDF-1.7 " * 100, NO_IMAGE, id="pdf"),
        pytest.param(jpeg()[:200], NO_IMAGE, id="half"),
        pytest.param(bomb(), "The photo may have at most 25 megapixels.", id="bomb"),
        pytest.param(jpeg() + b"\x00" * (5 * 1024 * 1024), "The photo may have at most 5 MB.", id="heavy"),
    ],
)
async def test_invalid_photo_is_refused(visitor: Visitor, content: bytes, message: str) -> None:
    resume = await visitor.write_resume()
    files = {"photo": ("me.jpg", content, "image/jpeg")}
    form = {name: str(value) for name, value in example("3.2 request, minimum").items()}
    answer = await visitor.request("POST", LIST, data=form, files=files)
    assert expect(answer, 400) == {"photo": [message]}
    answer = await visitor.request("PATCH", f"{LIST}{resume['id']}/", files=files)
    assert expect(answer, 400) == {"photo": [message]}
    assert await visitor.get(LIST) == [resume]


async def test_photo_of_ten_megabytes_is_refused(visitor: Visitor) -> None:
    resume = await visitor.write_resume()
    files = {"photo": ("me.jpg", b"\x00" * 10_000_000, "image/jpeg")}
    answer = await visitor.request("PATCH", f"{LIST}{resume['id']}/", files=files)
    assert expect(answer, 413) == {"detail": "The request is too large."}


@pytest.mark.parametrize("value", [7, True, {}, [], ["x"], "me.jpg"])
async def test_photo_in_json_is_refused(visitor: Visitor, value: object) -> None:
    resume = await visitor.write_resume()
    answer = await visitor.request("PATCH", f"{LIST}{resume['id']}/", json={"photo": value})
    refused = "The submitted data was not a file. Check the encoding type on the form."
    assert expect(answer, 400) == {"photo": [refused]}


async def test_file_name_of_a_photo_is_not_published(visitor: Visitor) -> None:
    resume = await visitor.write_resume()
    for name in ("../../../etc/passwd", "x" * 1000, "é\u202egpj.exe", 'a"b.jpg'):
        files = {"photo": (name, jpeg(), "text/html")}
        photo = expect(await visitor.request("PATCH", f"{LIST}{resume['id']}/", files=files), 200)["photo"]
        shown = await visitor.request("GET", photo)
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg"), name
        assert shown.headers["x-content-type-options"] == "nosniff"
        assert photo.rpartition("/")[2].endswith(".jpg")
