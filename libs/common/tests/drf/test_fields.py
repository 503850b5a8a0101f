"""Fields: values and messages are those of Django REST Framework."""

import sys
import unicodedata
from typing import Any

import pytest
from cv_common.drf.fields import (
    Boolean,
    Choice,
    Date,
    Email,
    Field,
    FormText,
    Integer,
    PrimaryKey,
    Text,
    Url,
    check_text,
    invalid,
)
from cv_common.drf.texts import normalized, strip_excess_marks, text_errors
from django.utils.dateparse import parse_date
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

NULL = "This field may not be null."
BLANK = "This field may not be blank."
NOT_TEXT = "Not a valid string."
NOT_EMAIL = "Enter a valid email address."
NOT_URL = "Enter a valid URL."
NOT_INTEGER = "A valid integer is required."
NOT_BOOLEAN = "Must be a valid boolean."
NOT_DATE = "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."
NUL = "Null characters are not allowed."
CROWDED = "Ensure this text has no more than 30 combining characters in a row."


def clean(field: Field, value: Any) -> Any:
    """Return the clean value, or the messages."""
    try:
        return field.validate(value)
    except PydanticCustomError as error:
        return (error.context or {})["messages"]


class Case:
    """A field, its input, and the expected value or messages."""

    def __init__(self, field: Field, value: Any, expected: Any) -> None:
        self.field, self.value, self.expected = field, value, expected

    def __repr__(self) -> str:
        return f"{type(self.field).__name__}-{ascii(self.value)[:20]}"


TEXT = Text(5)
CASES = [
    Case(TEXT, " abc ", "abc"),
    Case(TEXT, "abcde", "abcde"),
    Case(TEXT, "abcdef", ["Ensure this field has no more than 5 characters."]),
    Case(TEXT, "e\u0301" * 5, "é" * 5),
    Case(TEXT, "\u03b1\u0313\u0300\u0345" * 5, "\u1f82" * 5),
    Case(TEXT, "\u03b1\u0313\u0300\u0345" * 6, ["Ensure this field has no more than 5 characters."]),
    Case(Text(50), "a" + "\u0316" * 30, "a" + "\u0316" * 30),
    Case(Text(50), "a" + "\u0301\u0327" * 16, [CROWDED]),
    Case(Text(50), "a" + "\U0001d165\u0301" * 16, [CROWDED]),
    Case(Text(50, trim=False), "\u0f73" * 31, [CROWDED]),
    Case(Text(5), "\u0301" * 31, ["Ensure this field has no more than 5 characters.", CROWDED]),
    Case(TEXT, 12, "12"),
    Case(TEXT, 1.5, "1.5"),
    Case(TEXT, True, [NOT_TEXT]),
    Case(TEXT, ["a"], [NOT_TEXT]),
    Case(TEXT, {}, [NOT_TEXT]),
    Case(TEXT, None, [NULL]),
    Case(TEXT, "", [BLANK]),
    Case(TEXT, " \t\n", [BLANK]),
    Case(TEXT, "a\x00", [NUL]),
    Case(TEXT, "a\ud83d", ["Surrogate characters are not allowed: U+D83D."]),
    Case(TEXT, "\x00abcde", ["Ensure this field has no more than 5 characters.", NUL]),
    Case(Text(5, null=True), None, None),
    Case(Text(5, null=True), " ", ""),
    Case(Text(5, null=True, blank=False), "", [BLANK]),
    Case(Text(5, blank=True), None, [NULL]),
    Case(Text(5, trim=False), " a ", " a "),
    Case(Text(5, trim=False), " ", " "),
    Case(Text(5, trim=False), " e\u0301", " é"),
    Case(Text(5, trim=False), "", [BLANK]),
    Case(Email(20), " a@x.com ", "a@x.com"),
    Case(Email(20), "a@x", [NOT_EMAIL]),
    Case(Email(20), 5, [NOT_EMAIL]),
    Case(Email(20), True, [NOT_EMAIL]),
    Case(Email(20), "a" * 21, ["Ensure this field has no more than 20 characters.", NOT_EMAIL]),
    Case(Email(20), "", [BLANK]),
    Case(Email(20, null=True), "", ""),
    Case(Url(30), "https://x.com/é", "https://x.com/é"),
    Case(Url(30), "javascript:alert(1)", [NOT_URL]),
    Case(Url(30), [], [NOT_URL]),
    Case(Integer(), 0, 0),
    Case(Integer(), " 12 ", 12),
    Case(Integer(), "3.0", 3),
    Case(Integer(), 3.0, 3),
    Case(Integer(), 3.5, [NOT_INTEGER]),
    Case(Integer(), "abc", [NOT_INTEGER]),
    Case(Integer(), True, [NOT_INTEGER]),
    Case(Integer(), float("inf"), [NOT_INTEGER]),
    Case(Integer(), [], [NOT_INTEGER]),
    Case(Integer(), "9" * 1001, ["String value too large."]),
    Case(Integer(), -1, ["Ensure this value is greater than or equal to 0."]),
    Case(Integer(), 2**31, ["Ensure this value is less than or equal to 2147483647."]),
    Case(Integer(null=True), None, None),
    Case(PrimaryKey(), 1, 1),
    Case(PrimaryKey(), "7", 7),
    Case(PrimaryKey(), 1.0, 1),
    Case(PrimaryKey(), 1.5, 1),
    Case(PrimaryKey(), float("inf"), ["Incorrect type. Expected pk value, received float."]),
    Case(PrimaryKey(), "1.0", ["Incorrect type. Expected pk value, received str."]),
    Case(PrimaryKey(), "abc", ["Incorrect type. Expected pk value, received str."]),
    Case(PrimaryKey(), True, ["Incorrect type. Expected pk value, received bool."]),
    Case(PrimaryKey(), [1], ["Incorrect type. Expected pk value, received list."]),
    Case(PrimaryKey(), {}, ["Incorrect type. Expected pk value, received dict."]),
    Case(PrimaryKey(), None, [NULL]),
    Case(PrimaryKey(), "", [NULL]),
    Case(PrimaryKey(), FormText("abc"), ["Incorrect type. Expected pk value, received str."]),
    Case(Boolean(), True, True),
    Case(Boolean(), "Yes", True),
    Case(Boolean(), 0, False),
    Case(Boolean(), "off", False),
    Case(Boolean(), " true", [NOT_BOOLEAN]),
    Case(Boolean(), "", [NOT_BOOLEAN]),
    Case(Boolean(), 2, [NOT_BOOLEAN]),
    Case(Boolean(), [], [NOT_BOOLEAN]),
    Case(Boolean(), None, [NULL]),
    Case(Boolean(null=True), "null", None),
    Case(Date(), "2024-02-29", "2024-02-29"),
    Case(Date(), "2024-1-5", "2024-01-05"),
    Case(Date(), "20240105", "2024-01-05"),
    Case(Date(), "2020-W01-1", "2019-12-30"),
    Case(Date(), "\u0662\u0660\u0662\u0664-\u0661-\u0665", "2024-01-05"),
    Case(Date(), "2024-1-5\n", "2024-01-05"),
    Case(Date(), "2024-02-30", [NOT_DATE]),
    Case(Date(), "2023-02-29", [NOT_DATE]),
    Case(Date(), "2024-01-01T00:00:00Z", [NOT_DATE]),
    Case(Date(), "01/02/2024", [NOT_DATE]),
    Case(Date(), "", [NOT_DATE]),
    Case(Date(), 20240105, [NOT_DATE]),
    Case(Date(), None, [NULL]),
    Case(Date(null=True), None, None),
    Case(Date(null=True), FormText(""), None),
    Case(Choice("beginner", "expert"), "expert", "expert"),
    Case(Choice("beginner", "expert"), "Expert", ['"Expert" is not a valid choice.']),
    Case(Choice("beginner", "expert"), 5, ['"5" is not a valid choice.']),
    Case(Choice("beginner", "expert"), True, ['"True" is not a valid choice.']),
    Case(Choice("beginner", "expert"), {"a": [1]}, ["\"{'a': [1]}\" is not a valid choice."]),
    Case(Choice("beginner", "expert"), "\ud800", ['"?" is not a valid choice.']),
    Case(Choice("beginner", null=True), None, None),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_values_are_parsed_as_drf_does(case: Case) -> None:
    outcome = clean(case.field, case.value)
    assert (outcome, type(outcome)) == (case.expected, type(case.expected))


FIELDS = [
    Text(20),
    Text(20, null=True),
    Text(20, trim=False),
    Email(254),
    Url(200, null=True),
    Integer(),
    PrimaryKey(),
    Boolean(),
    Boolean(null=True),
    Date(null=True),
    Choice("beginner", "expert", null=True),
]
ANY_TEXT = st.text(st.characters(codec=None, categories=None))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(FIELDS), ANY_JSON | ANY_TEXT.map(FormText))
def test_every_value_is_valid_or_has_serializable_errors(field: Field, value: Any) -> None:
    outcome = clean(field, value)
    if isinstance(outcome, list):
        assert all(message.encode() for message in outcome)
    else:
        assert outcome is None or type(outcome) in (str, int, bool)
        assert clean(field, outcome) == outcome, "a clean value is valid and stays the same"


@given(ANY_TEXT)
def test_a_valid_text_can_be_stored(value: str) -> None:
    outcome = clean(Text(1000, null=True), value)
    if isinstance(outcome, str):
        assert "\x00" not in outcome
        assert outcome == unicodedata.normalize("NFC", outcome).strip()
        check_text(outcome)
        outcome.encode()


def test_messages_about_nested_values_are_short() -> None:
    deep: list[Any] = []
    for _ in range(90):
        deep = [deep]
    for field in FIELDS:
        assert isinstance(clean(field, deep), list)


def test_an_error_can_have_several_messages() -> None:
    error = invalid("One.", "Two \ud800.")
    assert error.message() == "One. Two ?."
    assert error.context == {"message": "One. Two ?.", "messages": ["One.", "Two ?."], "field": None}


DIGITS = st.sampled_from("0123456789\u0660\u0661\u0669\uff12W-: \n.+")


@given(
    st.text(DIGITS, min_size=6, max_size=12)
    | st.dates().map(str)
    | st.dates().map(lambda day: day.strftime("%G-W%V-%u"))
)
def test_dates_are_parsed_as_django_does(value: str) -> None:
    try:
        read = parse_date(value)
    except ValueError:
        read = None
    assert clean(Date(), value) == (read.isoformat() if read else [NOT_DATE])


MARKS = st.text(st.characters(categories=["Mn", "Mc", "Me"]), max_size=12)
WORDS = st.lists(st.tuples(st.characters(exclude_categories=["Cs"]), MARKS)).map(
    lambda words: "".join(letter + marks for letter, marks in words)
)


@given(WORDS, st.integers(31, 200), st.sampled_from(["\u0301\u0327", "\u0f73", "\U0001e8d0\u0301"]))
def test_only_excess_marks_are_stripped(text: str, number: int, marks: str) -> None:
    assert normalized(text) == unicodedata.normalize("NFC", text)
    assert strip_excess_marks(text) == text
    heap = (marks * number)[:number]
    assert strip_excess_marks(f"a{heap}b{text}") == f"a{heap[:30]}b{text}"


def test_every_character_that_normalization_reorders_is_a_mark() -> None:
    moved = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.combining(chr(code))]
    assert [mark for mark in moved if not list(text_errors(mark * 31))] == []


def test_texts_with_excess_marks_are_never_normalized(monkeypatch: pytest.MonkeyPatch) -> None:
    normalized: list[str] = []

    def note(form: str, text: str) -> str:
        normalized.append(text)
        return text

    monkeypatch.setattr("cv_common.drf.texts.unicodedata.normalize", note)
    heap = "\u0301\u0327" * 20_000
    for field in (Text(10_000), Text(40_000), Email(254), Url(200)):
        assert CROWDED in clean(field, f"a{heap}")
    assert clean(Text(10), "\u00e9" * 41) == ["Ensure this field has no more than 10 characters."]
    assert normalized == []
