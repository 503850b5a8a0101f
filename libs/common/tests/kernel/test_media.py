"""The media store, in a folder and in a bucket."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.media import Media
from cv_testing.environment import machine_environment
from cv_testing.ports import free_port
from cv_testing.supervisor import Program, responds, running
from cv_testing.tcp_proxy import proxied


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


async def test_a_file_is_written_replaced_and_deleted(media: Media, folder: Path) -> None:
    assert await media.get("pdfs/a.pdf") is None
    await media.put("pdfs/a.pdf", b"one")
    assert (folder / "pdfs" / "a.pdf").read_bytes() == b"one"
    await media.put("pdfs/a.pdf", b"two")
    assert await media.get("pdfs/a.pdf") == b"two"
    await media.delete("pdfs/a.pdf")
    await media.delete("pdfs/a.pdf")
    assert await media.get("pdfs/a.pdf") is None


async def test_a_file_may_be_empty(media: Media) -> None:
    await media.put("empty", b"")
    assert await media.get("empty") == b""


async def test_writes_are_atomic(media: Media, folder: Path) -> None:
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
async def test_paths_outside_the_store_are_not_found(media: Media, folder: Path, path: str) -> None:
    (folder.parent / "secret").write_text("secret")
    (folder / "folder").mkdir()
    assert await media.get(path) is None


async def test_nothing_is_written_outside_the_store(media: Media, folder: Path) -> None:
    with pytest.raises(ValueError, match=r"\.\."):
        await media.put("../secret", b"")
    assert not (folder.parent / "secret").exists()


@contextmanager
def blocked(folder: Path) -> Iterator[None]:
    """Replace the folder with a file."""
    away = folder.rename(folder.with_name("away"))
    folder.write_text("in the way")
    yield
    folder.unlink()
    away.rename(folder)


async def test_a_failed_write_is_a_problem_until_one_succeeds(media: Media, folder: Path) -> None:
    await media.start()
    assert await media.check() is None
    with blocked(folder):
        with pytest.raises(ServiceUnavailable):
            await media.put("a", b"")
        assert await media.check() == "files cannot be written or read: Not a directory"
    assert await media.check() is None


async def test_a_store_that_cannot_write_is_detected_at_start(media: Media, folder: Path) -> None:
    with blocked(folder):
        await media.start()
        assert await media.check() == "files cannot be written or read: Not a directory"


async def test_a_bucket_that_does_not_answer_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cv_common.kernel.media._PROBE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        options = {"endpoint": endpoint, "region": "eu", "access_key_id": "a", "secret_access_key": "b"}
        media = Media("s3://cv-builder", options)
        await media.start()
        assert await media.check() == "files cannot be written or read: no answer"


async def test_logs_and_health_do_not_contain_file_names(
    media: Media, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The name of a photo gives access to it."""
    bucket = Media(
        "s3://cv", {"endpoint": "http://127.0.0.1:9", "region": "eu", "access_key_id": "a", "secret_access_key": "b"}
    )
    with blocked(folder):
        for store in (media, bucket):
            for ask in (store.put("photos/secret", b"x"), store.get("photos/secret")):
                with pytest.raises(ServiceUnavailable):
                    await ask
            assert "secret" not in str(await store.check())
    messages = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    assert len(messages) >= 4
    assert not any("secret" in each for each in messages)


async def test_operations_of_a_failed_store_raise_service_unavailable(media: Media, folder: Path) -> None:
    await media.put("kept", b"x")
    (folder / "in the way").write_text("a file where a folder should be")
    with pytest.raises(ServiceUnavailable):
        await media.put("in the way/file", b"x")
    with pytest.raises(ServiceUnavailable):
        await media.get("kept" * 100)


@pytest.fixture(scope="session")
def bucket() -> Iterator[dict[str, str]]:
    """Return the options of a bucket `cv-media` on an S3 server."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with running(Program("moto", command, machine_environment(), lambda: responds(f"{endpoint}/moto-api/"))):
        with urlopen(Request(f"{endpoint}/cv-media", method="PUT")):  # the server lets anyone create a bucket
            pass
        yield {"endpoint": endpoint, "access_key_id": "key", "secret_access_key": "secret", "region": "us-east-1"}


async def test_a_bucket_stores_files(bucket: dict[str, str]) -> None:
    media, other = Media("s3://cv-media/resumes", bucket), Media("s3://cv-media/renderer", bucket)
    assert await media.get("photos/a.jpg") is None
    await media.put("photos/a.jpg", b"one")
    await media.put("photos/a.jpg", b"two")
    assert await media.get("photos/a.jpg") == b"two"
    assert await other.get("photos/a.jpg") is None
    await media.delete("photos/a.jpg")
    await media.delete("photos/a.jpg")
    assert await media.get("photos/a.jpg") is None


async def test_a_missing_bucket_raises_service_unavailable(bucket: dict[str, str]) -> None:
    with pytest.raises(ServiceUnavailable):
        await Media("s3://nowhere", bucket).put("a", b"x")


async def test_a_silent_connection_to_a_bucket_is_replaced(bucket: dict[str, str]) -> None:
    port = int(bucket["endpoint"].rpartition(":")[2])
    with proxied(port) as proxy:
        media = Media("s3://cv-media/frozen", {**bucket, "endpoint": f"http://127.0.0.1:{proxy.port}"})
        await media.put("a", b"one")
        await asyncio.to_thread(proxy.freeze)
        assert await media.get("a") == b"one"
