"""Properties of the rules, for any input."""

import dataclasses
import itertools
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

from cv_common.drf.openapi_headers import EXAMPLE_IDEMPOTENCY_KEY
from cv_resumes.domain.content import SECTIONS, NumberedEntry
from cv_resumes.domain.entitlement import entitlement
from cv_resumes.domain.idempotency import is_random_uuid
from cv_resumes.domain.owners import Owner, quota_error
from cv_resumes.domain.pages import MAX_LIMIT, Page, parse_page
from cv_resumes.domain.pdfs import LANGUAGES, choose_language, pdf_name
from cv_resumes.domain.profile_urls import profile_url
from cv_resumes.domain.resumes import Resume, size_error
from cv_resumes.domain.sections import SentEntry, assign_ids, reconcile_section
from hypothesis import example, given
from hypothesis import strategies as st

NOW = datetime(2025, 10, 29, 10, 30, tzinfo=UTC)
_UNSET: dict[str, Any] = {field.name: [] if field.name in SECTIONS else None for field in dataclasses.fields(Resume)}
RESUME = Resume(**_UNSET)
"""A resume without content."""
revisions = st.integers(0, 2**53)
entries = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abc"), "order": st.none() | st.integers(0, 3)}), max_size=8
)
slugs = st.text("abcXYZ019-_", min_size=1, max_size=50)
odd_texts = st.text() | st.text("https:/.linkedncom@?#%&in\\ \t\n12")
moments = st.none() | st.timedeltas(-timedelta(days=999), timedelta(days=999)).map(lambda apart: NOW + apart)


def numbered(sent: list[SentEntry]) -> list[NumberedEntry]:
    return assign_ids(reconcile_section([], sent), itertools.count(1))


@given(entries)
def test_section_sent_back_unchanged_stays_unchanged(sent: list[SentEntry]) -> None:
    stored: list[Any] = numbered(sent)
    assert reconcile_section(stored, stored) == stored


@given(entries, st.randoms())
def test_reordering_a_section_keeps_every_id_with_its_entry(sent: list[SentEntry], random: object) -> None:
    stored = numbered(sent)
    shuffled: list[Any] = [dict(entry) for entry in stored]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    moved: list[Any] = [{**entry, "order": place} for place, entry in enumerate(shuffled)]
    assert reconcile_section(stored, moved) == moved


@given(entries, entries)
def test_reconciling_mutates_neither_argument(before: list[SentEntry], sent: list[SentEntry]) -> None:
    stored = numbered(before)
    copies = [dict(entry) for entry in stored], [dict(entry) for entry in sent]
    reconcile_section(stored, sent)
    assert (stored, sent) == copies


@given(st.integers(198, 202), st.text(max_size=20))
def test_section_with_more_than_200_entries_is_too_long(length: int, text: str) -> None:
    error = size_error(dataclasses.replace(RESUME, projects_data=[{"name": text}] * length))
    assert (error is not None) == (length > 200)


@given(st.integers(-2, 2))
def test_content_above_256_kilobytes_is_too_large(beyond: int) -> None:
    around = len(
        '{"experiences":[],"education":[],"skills":[],"languages_data":[],"certifications_data":[],'
        '"projects_data":[],"custom_sections":[],"summary":""}'
    )
    resume = dataclasses.replace(RESUME, summary="x" * (256 * 1024 - around + beyond))
    assert (size_error(resume) is not None) == (beyond > 0)


@given(revisions, revisions, st.lists(st.sampled_from(['"x"', "W/", "*x", " ", '"']), max_size=3))
def test_if_match_names_only_the_current_version(current: int, other: int, noise: list[str]) -> None:
    resume, changed = (dataclasses.replace(RESUME, revision=revision) for revision in (current, other))
    assert resume.is_version(",".join([*noise, resume.etag]))
    assert resume.is_version(",".join([*noise, changed.etag])) is (other == current)
    assert resume.is_version(",".join([*noise, "W/" + changed.etag])) is (other == current)
    assert resume.is_version(None)
    assert resume.is_version("*")


@given(st.integers(0, 500), st.integers(1, 250), st.integers(0, 600))
def test_next_links_visit_every_item_once(total: int, limit: int, start: int) -> None:
    page = parse_page(str(limit), str(start))
    seen: list[int] = []
    while page is not None:
        assert page.limit == min(limit, MAX_LIMIT)
        seen += range(total)[page.offset : page.offset + page.limit]
        page = linked(page, total, "next")
    assert seen == list(range(total))[start:]


@given(st.integers(1, 50), st.integers(0, 300), st.integers(0, 300))
def test_prev_links_lead_to_the_beginning(limit: int, offset: int, total: int) -> None:
    page: Page | None = Page(limit, offset)
    for _ in range(offset + 1):
        if page is None or (before := linked(page, total, "prev")) is None:
            break
        assert before.offset < page.offset
        page = before
    assert page is not None
    assert page.offset == 0


def linked(page: Page, total: int, relation: str) -> Page | None:
    found = re.search(rf'<([^>]*)>; rel="{relation}"', page.link("http://localhost/api/resumes/", total))
    if found is None:
        return None
    query = parse_qs(urlsplit(found[1]).query)
    return parse_page(query["limit"][0], query["offset"][0])


@given(odd_texts, odd_texts)
def test_any_query_is_a_page_or_none(limit: str, offset: str) -> None:
    page = parse_page(limit, offset)
    assert page is None or (1 <= page.limit <= MAX_LIMIT and page.offset >= 0)


@given(st.text() | st.text("Ab ", min_size=90), st.dates(), st.booleans())
def test_file_name_is_valid_on_every_file_system(full_name: str, day: date, watermarked: bool) -> None:
    name = pdf_name(full_name, "@", day, watermarked)
    assert re.fullmatch(r"[a-z0-9][a-z0-9_]{0,79}_cv_\d+(_watermarked)?\.pdf", name)
    assert name.endswith("_watermarked.pdf") is watermarked


@given(odd_texts, st.sampled_from(LANGUAGES))
def test_any_header_chooses_a_supported_language(header: str, default: str) -> None:
    assert choose_language(header, default) in LANGUAGES


@given(
    slugs,
    st.sampled_from(["https://www.", "http://", "HTTPS://fr.", "", "www.", " \r\nHttp://m."]),
    st.sampled_from(["", "/", "/en", "/details/experience/", "?a=b&c=https://example.org/", "#@example.org", "/?a#b"]),
    st.sampled_from(["", " ", "\n", "\r\n", "\u00a0"]),
)
def test_profile_url_is_rebuilt_from_its_slug(slug: str, before: str, rest: str, after: str) -> None:
    rebuilt = f"https://www.linkedin.com/in/{slug}"
    assert profile_url(f"{before}LinkedIn.com/in/{slug}{rest}{after}") == rebuilt
    assert profile_url(rebuilt) == rebuilt


@given(odd_texts, odd_texts)
def test_accepted_profile_urls_lead_only_to_linkedin(before: str, after: str) -> None:
    for text in (before, f"https://{before}linkedin.com{after}", f"https://linkedin.com/in/{before}{after}"):
        found = profile_url(text)
        assert found is None or re.fullmatch(r"https://www\.linkedin\.com/in/[\w%-]+", found, re.ASCII)


@given(slugs, st.sampled_from(["@example.org", ".example.org", ":8080", "\\example.org", "#", "%2f"]))
def test_other_hosts_and_ports_are_refused(slug: str, trick: str) -> None:
    for scheme in ("https://", "http://", ""):
        assert profile_url(f"{scheme}www.linkedin.com{trick}/in/{slug}") is None


@given(slugs, st.sampled_from(["\nx", "\tx", "/a b", "@example.org", ";x", "\\", "/\\x", "/x\x00", "%2f", "/../x"]))
def test_other_text_after_the_slug_is_refused(slug: str, rest: str) -> None:
    assert profile_url(f"https://www.linkedin.com/in/{slug}{rest}") is None


@given(st.none() | st.booleans(), moments, st.timedeltas(timedelta(), timedelta(days=999)))
def test_entitlement_never_starts_by_the_clock(bought: bool | None, until: datetime | None, later: timedelta) -> None:
    now, then = entitlement(bought, until, NOW), entitlement(bought, until, NOW + later)
    assert now.is_paid or not then.is_paid
    for moment in (now, then):
        assert moment.is_paid == (moment.payment_type != "free")
        assert moment.needs_watermark(True) is not moment.is_paid
        assert not moment.needs_watermark(False)
    assert (now.payment_type == "single") is bool(bought)


@given(st.builds(uuid4), st.sampled_from([str.lower, str.upper]))
def test_random_uuids_are_recognized(key: UUID, written: Callable[[str], str]) -> None:
    assert is_random_uuid(written(str(key)))


@given(st.uuids(version=1) | st.uuids(version=3) | st.uuids(version=5) | st.text())
@example(UUID(int=0))
@example(EXAMPLE_IDEMPOTENCY_KEY)
@example(EXAMPLE_IDEMPOTENCY_KEY.upper())
def test_other_keys_are_no_random_uuid(key: object) -> None:
    assert not is_random_uuid(str(key))


@given(st.integers(0, 30), st.integers(1, 10), st.integers(11, 20))
def test_quota_depends_on_the_kind_of_owner(count: int, session: int, user: int) -> None:
    error = partial(quota_error, count=count, account_limit=user, session_limit=session)
    assert (error(Owner(user_id=1)) is None) == (count < user)
    assert (error(Owner(session_id="s")) is None) == (count < session)
