"""The media store, in a folder."""

import asyncio
from pathlib import Path

import pytest
from cv_common.errors import Unavailable
from cv_common.media import Media


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "media of é"
    made.mkdir()
    return made


@pytest.fixture
def media(folder: Path) -> Media:
    return Media(folder.as_uri())


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_file_is_kept_replaced_and_removed(media: Media, folder: Path) -> None:
    assert await media.get("pdfs/a.pdf") is None
    await media.put("pdfs/a.pdf", b"one")
    assert (folder / "pdfs" / "a.pdf").read_bytes() == b"one"
    await media.put("pdfs/a.pdf", b"two")
    assert await media.get("pdfs/a.pdf") == b"two"
    await media.delete("pdfs/a.pdf")
    await media.delete("pdfs/a.pdf")
    assert await media.get("pdfs/a.pdf") is None


async def test_an_empty_file_is_a_file(media: Media) -> None:
    await media.put("empty", b"")
    assert await media.get("empty") == b""


async def test_a_reader_sees_all_of_a_file_or_none(media: Media, folder: Path) -> None:
    contents = [bytes([letter]) * 2_000_000 for letter in b"abcd"]

    async def read() -> bytes | None:
        return await media.get("big")

    async def write() -> None:
        for content in contents:
            await media.put("big", content)

    results = await asyncio.gather(write(), *(read() for _ in range(40)))
    assert set(results[1:]) <= {None, *contents}
    assert names_in(folder) == ["big"], "nothing half-written is left"


@pytest.mark.parametrize(
    "path",
    ["../secret", "a/../../secret", "/etc/passwd", "//x", "a//b", ".", "..", "a\x00b", "folder", "%2e%2e/secret"],
)
async def test_no_path_leads_out_of_the_store(media: Media, folder: Path, path: str) -> None:
    (folder.parent / "secret").write_text("secret")
    (folder / "folder").mkdir()
    assert await media.get(path) is None


async def test_nothing_is_written_outside(media: Media, folder: Path) -> None:
    with pytest.raises(ValueError, match=r"\.\."):
        await media.put("../secret", b"")
    assert not (folder.parent / "secret").exists()


async def test_a_store_that_fails_is_unavailable(media: Media, folder: Path) -> None:
    await media.put("kept", b"x")
    (folder / "in the way").write_text("a file where a folder should be")
    with pytest.raises(Unavailable):
        await media.put("in the way/file", b"x")
    with pytest.raises(Unavailable):
        await media.get("kept" * 100)
