"""The worker pool: limits, hostile input, failures, and the isolation of jobs."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cv_renderer.domain.documents import clean_document
from cv_renderer.domain.jobs import Job
from cv_renderer.engine.errors import EngineBusy, EngineFailed, JobRejected
from cv_renderer.engine.worker import JobLimits
from cv_renderer.engine.worker_pool import WorkerPool
from cv_testing.serving import eventually

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def job(html: str, css: str = "", **document: Any) -> Job:
    return Job(html, css, {"full_name": "Jane Doe", **document}, "en")


@contextlib.asynccontextmanager
async def pool_with(**settings: Any) -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(**settings)
    await pool.start()
    yield pool
    await pool.stop()


@pytest.fixture(scope="module")
async def production_pool() -> AsyncIterator[WorkerPool]:
    """Yield a pool with the limits of production, except for the time that a busy machine needs."""
    async with pool_with(queue_timeout=600, limits=JobLimits(wall_seconds=300)) as pool:
        yield pool


async def test_the_web_process_does_not_import_weasyprint(pool: WorkerPool) -> None:
    assert await pool.render(job("<p>x"))
    assert "weasyprint" not in sys.modules


async def test_children_do_not_import_the_main_module(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    main, imported = ModuleType("__main__"), tmp_path / "imported"
    program = tmp_path / "program.py"
    program.write_text(f"open({str(imported)!r}, 'w')")
    main.__file__ = str(program)
    monkeypatch.setitem(sys.modules, "__main__", main)
    async with pool_with() as other:
        assert await other.render(job("<p>x"))
    assert not imported.exists()


async def test_the_version_is_stable(pool: WorkerPool) -> None:
    async with pool_with() as other:
        assert other.version == pool.version
    assert len(pool.version) == 64


@pytest.mark.parametrize(
    ("html", "css"),
    [
        (ENDLESS, ""),
        ('<div style="display: flex"><p>x' * 14, ""),
        pytest.param('<div style="columns: 2"><p>x' * 8, "", marks=pytest.mark.operations),
        pytest.param("<table><td colspan=100000>", "", marks=pytest.mark.operations),
    ],
    ids=["endless template", "nested flex", "nested columns", "wide cell"],
)
async def test_a_job_that_exceeds_its_cpu_time_is_rejected(html: str, css: str) -> None:
    async with pool_with(limits=JobLimits(cpu_seconds=1, wall_seconds=60)) as pool:
        with pytest.raises(JobRejected, match="too complex"):
            await pool.render(job(html, css))
        assert await pool.render(job("<p>x"))


async def test_a_job_that_exceeds_its_wall_clock_time_fails(pool: WorkerPool) -> None:
    async with pool_with(limits=JobLimits(cpu_seconds=60, wall_seconds=0.5)) as slow_machine:
        with pytest.raises(EngineFailed, match="too long"):
            await slow_machine.render(job(ENDLESS))
    assert not slow_machine.running_pids()


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("{{ 'a' * 10 ** 10 }}", "too complex"),
        ("<div>" * 3000, "too complex"),
        ("{{ resume.full_name", "template cannot be filled"),
        ("{{ resume.full_name.__class__.__mro__[1].__subclasses__() }}", "template cannot be filled"),
        ("{{ resume.update(full_name='x') }}", "template cannot be filled"),
        ("<p>page</p>" * 21, "longer than 20 pages"),
    ],
)
async def test_a_job_that_can_never_be_rendered_is_rejected(pool: WorkerPool, html: str, reason: str) -> None:
    with pytest.raises(JobRejected, match=reason):
        await pool.render(job(html, "p { break-after: page }"))


async def test_a_bug_is_logged_and_not_retried(pool: WorkerPool, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(EngineFailed, match="could not be rendered"):
        await pool.render(Job("<p>x", None, {}, "en"))  # type: ignore[arg-type]  # the error is the point
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "AttributeError" in record.__dict__["exception"]


async def test_twenty_pages_are_allowed(pool: WorkerPool) -> None:
    assert await pool.render(job("<p>page</p>" * 20, "p + p { break-before: page }"))


async def test_a_very_long_document_is_rejected_at_its_twenty_first_page(pool: WorkerPool) -> None:
    with pytest.raises(JobRejected, match="longer than 20 pages"):
        await pool.render(job("<p>{{ 'word ' * 60000 }}"))


HOSTILE_TEXTS = {
    "one word": "x" * 9900,
    "one word of narrow letters": "i" * 9900,
    "one word of ligatures": "ffi" * 3300,
    "one word of digits": "7" * 9900,
    "one word in Arabic": "م" * 4950,
    "one word in Chinese": "软" * 3300,
    "one word in Thai": "ภาษาไทยวิศวกร" * 250,
    "one word of joined emoji": "👩\u200d💻" * 900,
    "one word of combining marks": "x\u0301" * 3300,
    "one word of joiners": "\u200d" * 3300,
    "one word of no-break spaces": "ab\u00a0" * 2475,
    "narrow letters": "l " * 4950,
    "lines": "a\n" * 4950,
    "paragraphs": "a\n\n" * 3300,
    "items": "- a\n" * 2475,
}


QUICKLY_REJECTED = ("one word", "lines")


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind in QUICKLY_REJECTED else pytest.mark.operations) for kind in HOSTILE_TEXTS],
)
async def test_hostile_texts_are_rendered_or_rejected(
    production_pool: WorkerPool, catalog: dict[str, Any], minimal: dict[str, Any], kind: str
) -> None:
    """A document of the maximum size, with 25 such texts, stays within the limit of CPU time."""
    text = HOSTILE_TEXTS[kind]
    jobs: list[Any] = [{"company": "c", "position": "p", "start_date": "2020-01-01", "description": text}] * 12
    sections: list[Any] = [{"title": "t", "content": text}] * 12
    document = clean_document({**minimal, "summary": text, "experiences": jobs, "custom_sections": sections})
    template = list(catalog.values())[list(HOSTILE_TEXTS).index(kind) % len(catalog)]
    rendering = production_pool.render(Job(template.html, template.css, document, "fr"))
    if kind in ("one word", "one word of narrow letters", "one word of ligatures", "one word of digits"):
        with pytest.raises(JobRejected, match="words that are too long to be printed"):
            await rendering
    elif kind in ("lines", "paragraphs", "items"):
        with pytest.raises(JobRejected, match="longer than 20 pages"):
            await rendering
    else:
        with contextlib.suppress(JobRejected):
            assert await rendering


async def test_jobs_beyond_the_queue_are_rejected_as_busy(pool: WorkerPool) -> None:
    async with pool_with(workers=1, queue_size=2) as small:
        results = await asyncio.gather(*(small.render(job("<p>x")) for _ in range(5)), return_exceptions=True)
        assert sorted(type(result).__name__ for result in results) == [
            "EngineBusy",
            "EngineBusy",
            "bytes",
            "bytes",
            "bytes",
        ]
        assert await small.render(job("<p>x"))


async def test_a_job_leaves_the_queue_after_its_timeout() -> None:
    async with pool_with(workers=1, queue_timeout=0.2, limits=JobLimits(cpu_seconds=1)) as slow:
        first = asyncio.create_task(slow.render(job(ENDLESS)))
        await eventually(slow.running_pids)
        with pytest.raises(EngineBusy):
            await slow.render(job("<p>x"))
        with pytest.raises(JobRejected):
            await first


async def test_a_job_whose_process_is_killed_is_retried() -> None:
    async with pool_with(workers=1, limits=JobLimits(cpu_seconds=1)) as pool:
        rendering = asyncio.create_task(pool.render(job(ENDLESS)))
        await eventually(pool.running_pids)
        (first,) = pool.running_pids()
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: pool.running_pids() - {first})
        with pytest.raises(JobRejected, match="too complex"):
            await rendering


@pytest.mark.parametrize(
    ("number", "outcome", "message"),
    [
        (signal.SIGKILL, EngineFailed, "could not be rendered"),
        (signal.SIGTRAP, JobRejected, "too complex"),  # GLib raises it when it runs out of memory
    ],
)
async def test_a_job_whose_process_dies_twice_fails(
    number: signal.Signals, outcome: type[Exception], message: str
) -> None:
    async with pool_with(workers=1) as pool:
        rendering = asyncio.create_task(pool.render(job(ENDLESS)))
        ended: set[int] = set()
        while len(ended) < 2:
            await eventually(lambda: pool.running_pids() - ended)
            (victim,) = pool.running_pids() - ended
            os.kill(victim, number)
            ended.add(victim)
        with pytest.raises(outcome, match=message):
            await rendering


async def test_a_dead_forkserver_is_replaced(pool: WorkerPool) -> None:
    first = pool.info().forkserver_pid
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT | os.WNOHANG))
    assert await pool.render(job("<p>x"))
    assert pool.info().forkserver_pid != first
    assert await pool.check() is None


async def test_a_document_loads_nothing_from_network_or_files(pool: WorkerPool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.01)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        html = f"""<head><base href="{address}/"><link rel=stylesheet href="{address}">
            <style>@import "{address}";</style>
            <link rel=attachment href="file:///etc/passwd"><link rel=attachment href="{address}"></head>
            <img src="{address}"><img src="relative.png"><img src="file:///etc/passwd">
            <object data="{address}"></object><embed src="{address}">
            <svg><image href="{address}"/><use href="{address}#x"/></svg>
            <img src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><image href='{address}'/></svg>">
            <a href="file:///etc/passwd" rel=attachment>x</a>"""
        css = f"""@import url({address}); @font-face {{ font-family: a; src: url({address}) }}
            body {{ font-family: a; background: url({address}); border-image: url({address}) }}
            li {{ list-style-image: url({address}) }} p::before {{ content: url({address}) }}
            @page {{ background: url({address}) }}"""
        pdf = await pool.render(job(html + "<ul><li>x</ul><p>x", css))
        with pytest.raises(TimeoutError):
            listener.accept()
    assert b"EmbeddedFile" not in pdf


async def test_children_have_no_secrets_in_their_environment(pool: WorkerPool) -> None:
    known = {"FONTCONFIG_FILE", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR", "XDG_CACHE_HOME"}
    assert set(pool.info().environment) <= known
