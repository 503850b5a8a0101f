"""Rules: ids of entries, entitlement, file names, languages."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import pytest
from cv_resumes.domain.content import EXTENSION, OptionalLine, declarations
from cv_resumes.domain.entitlement import Entitlement, entitlement
from cv_resumes.domain.owners import Owner
from cv_resumes.domain.pdfs import choose_language, pdf_name
from cv_resumes.domain.sections import assign_ids, count_missing_ids, reconcile_section
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypedDict

NOW = datetime(2025, 10, 29, 10, 30, tzinfo=UTC)
names = st.sampled_from("abc")
stored_sections = st.lists(names, max_size=6).map(
    lambda texts: [{"id": 10 + place, "name": text, "order": place} for place, text in enumerate(texts)]
)
sent_sections = st.lists(
    st.builds(
        lambda name, entry_id, order: {"name": name, "id": entry_id, "order": order},
        names, st.none() | st.integers(8, 18), st.none() | st.integers(0, 3),
    ),
    max_size=8,
)  # fmt: skip


@given(stored_sections, sent_sections)
def test_reconciled_section_has_the_sent_entries_with_known_ids(stored: list[Any], sent: list[Any]) -> None:
    result: list[Any] = reconcile_section(stored, sent)
    assert sorted(entry["name"] for entry in result) == sorted(entry["name"] for entry in sent)
    kept = [entry["id"] for entry in result if entry["id"] is not None]
    assert len(kept) == len(set(kept))
    assert set(kept) <= {entry["id"] for entry in stored}
    assert [entry["order"] for entry in result] == sorted(entry["order"] for entry in result)


@given(stored_sections)
def test_section_sent_without_ids_keeps_its_ids(stored: list[Any]) -> None:
    sent: list[Any] = [{"name": entry["name"], "id": None, "order": None} for entry in stored]
    assert reconcile_section(stored, sent) == stored


@given(stored_sections, sent_sections)
def test_entry_without_an_order_follows_its_predecessor(stored: list[Any], sent: list[Any]) -> None:
    marked: list[Any] = [{**entry, "place": place} for place, entry in enumerate(sent)]
    reconciled: list[Any] = reconcile_section(stored, marked)
    orders = {entry["place"]: entry["order"] for entry in reconciled}
    for place, entry in enumerate(sent):
        expected = orders[place - 1] + 1 if place else 0
        assert orders[place] == (expected if entry["order"] is None else entry["order"])


def test_assigned_order_never_exceeds_the_maximum() -> None:
    sent: list[Any] = [{"name": "a", "order": 2**31 - 1}, {"name": "b"}]
    result: list[Any] = reconcile_section([], sent)
    assert [(entry["name"], entry["order"]) for entry in result] == [("a", 2**31 - 1), ("b", 2**31 - 1)]


def test_repeated_id_counts_once() -> None:
    stored: list[Any] = [{"id": 1, "name": "a", "order": 0}]
    sent: list[Any] = [{"id": 1, "name": "b", "order": None}, {"id": 1, "name": "c", "order": None}]
    result: list[Any] = reconcile_section(stored, sent)
    assert [entry["id"] for entry in result] == [1, None]
    assert count_missing_ids(result) == 1
    assert [entry["id"] for entry in assign_ids(result, [7])] == [1, 7]


@pytest.mark.parametrize(
    ("premium", "bought", "subscribed", "watermarked"),
    [
        (False, False, False, False),
        (False, True, False, False),
        (False, False, True, False),
        (False, True, True, False),
        (True, False, False, True),
        (True, True, False, False),
        (True, False, True, False),
        (True, True, True, False),
    ],
)
def test_watermark_truth_table(premium: bool, bought: bool, subscribed: bool, watermarked: bool) -> None:
    assert Entitlement(bought, subscribed).needs_watermark(premium) is watermarked


@pytest.mark.parametrize(
    ("bought", "until", "paid", "payment_type"),
    [
        (None, None, False, "free"),
        (False, NOW, False, "free"),
        (False, NOW + timedelta(microseconds=1), True, "subscription"),
        (True, None, True, "single"),
        (True, NOW + timedelta(days=1), True, "single"),
    ],
)
def test_entitlement_at_one_moment(bought: bool | None, until: datetime | None, paid: bool, payment_type: str) -> None:
    found = entitlement(bought, until, NOW)
    assert (found.is_paid, found.payment_type) == (paid, payment_type)


@pytest.mark.parametrize(
    ("full_name", "watermarked", "name"),
    [
        ("John Doe", False, "john_doe_cv_20251029.pdf"),
        ("Jane Smith", True, "jane_smith_cv_20251029_watermarked.pdf"),
        ("  Éloïse  D'Aubigné-Müller ", False, "eloise_d_aubigne_muller_cv_20251029.pdf"),
        ("王小明", False, "wangxiaoming_cv_20251029.pdf"),
        ("Юлия Петрова", True, "yuliya_petrova_cv_20251029_watermarked.pdf"),
        ("محمد علي", False, "mhmd_ly_cv_20251029.pdf"),
        ("דנה כהן 2", False, "dnh_khhn_2_cv_20251029.pdf"),
        ("山田太郎", False, "shantiantailang_cv_20251029.pdf"),
        ("राजेश कुमार", False, "rajes_kumar_cv_20251029.pdf"),
        ("김민준", False, "gimminjun_cv_20251029.pdf"),
        ("😀", False, "me_cv_20251029.pdf"),
        ("Ana ﬁn", False, "ana_fin_cv_20251029.pdf"),
        ("Seán O\N{RIGHT SINGLE QUOTATION MARK}Brien\N{EN DASH}Łoś", False, "sean_o_brien_los_cv_20251029.pdf"),
        ("Ñandú Ø Æ ß þ \N{DOUBLE-STRUCK CAPITAL H}", False, "nandu_o_ae_ss_th_h_cv_20251029.pdf"),
        ("Ana 王 López", False, "ana_wang_lopez_cv_20251029.pdf"),
        ("../../etc/passwd\r\n", False, "etc_passwd_cv_20251029.pdf"),
    ],
)
def test_file_name(full_name: str, watermarked: bool, name: str) -> None:
    assert pdf_name(full_name, "me@example.com", date(2025, 10, 29), watermarked) == name


@given(st.text())
def test_file_name_has_only_plain_characters(full_name: str) -> None:
    assert set(pdf_name(full_name, "me@example.com", date(2025, 10, 29), False)) <= set(
        "abcdefghijklmnopqrstuvwxyz0123456789_."
    )


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "fr"), ("en-GB,en;q=0.9", "en"), ("de, en;q=0.5", "en"), ("fr-FR", "fr"), ("tlh", "fr"), (";;,", "fr")],
)
def test_language(header: str, language: str) -> None:
    assert choose_language(header, "fr") == language


@given(st.builds(Owner, user_id=st.integers(1)) | st.builds(Owner, session_id=st.text("abc-_", min_size=1)))
def test_owner_is_restored_from_its_key(owner: Owner) -> None:
    assert Owner.from_key(owner.key) == owner


def test_a_marked_field_is_an_extension_with_the_rule_of_its_type() -> None:
    class Entry(TypedDict):
        documented: OptionalLine
        added: Annotated[OptionalLine, EXTENSION]

    documented, added = declarations(Entry)
    assert (documented.is_extension, added.is_extension) == (False, True)
    assert documented.rule is added.rule
    assert added.is_nullable
