"""The measure of lost words: what counts as found, and what does not."""

import pytest

from tests.documents.words import ExtractedText, is_latin, words

LINES = ["Led the move of 41 services", "Rindfleischetikettierung in Saint-Remy"]


@pytest.mark.parametrize(
    "page",
    [
        "Led the move of 41 services Rindfleischetikettierung in Saint-Remy",
        "Led the MOVE of 41 ser\nvices Rindfleisch\netikettierung in Saint-Remy",  # long words, broken
        "Led the move of 41\nservices Rindfleischetikettierung in Saint\u00adRemy",  # a hyphen that poppler removed
    ],
)
def test_words_are_found_across_lines(page: str) -> None:
    assert ExtractedText([page]).missing(LINES) == []


@pytest.mark.parametrize(
    ("page", "missing", "torn"),
    [
        ("Led the move of 41", ["services"], []),
        ("Led the moveof 41 services", ["move", "of"], []),
        ("Led the move move of 41 services", [], []),
        ("services 41 of move the Led", [], ["led the", "the move", "move of", "of 41", "41 services"]),
        ("", ["led", "the", "move", "of", "41", "services"], []),
    ],
)
def test_lost_glued_and_reordered_words_are_reported(page: str, missing: list[str], torn: list[str]) -> None:
    text = ExtractedText([page])
    assert (text.missing(LINES[:1]), text.torn(LINES[:1])) == (missing, torn)


def test_unspaced_scripts_count_pairs_of_characters() -> None:
    assert words("東京都, C++と日本\n語") == ["東京", "京都", "c", "と日", "日本", "本語"]
    assert ExtractedText(["東京\n都千"]).missing(["東京都", "千代"]) == ["千代"]


def test_words_that_no_line_has_are_invented() -> None:
    assert ExtractedText(["Led the move. janv. 2009"]).invented(LINES) == ["janv"]


@pytest.mark.parametrize(
    ("text", "found"), [("C++", True), ("c and c", True), ("F#", False), ("C++ with", True), ("bar_foo", False)]
)
def test_texts_need_their_exact_punctuation(text: str, found: bool) -> None:
    assert ExtractedText(["Uses C and\nC++ with bar foo"]).has(text) is found


@pytest.mark.parametrize(("text", "latin"), [("Żółtek – 3 °C", True), ("→", False), ("✓ done", False), ("日", False)])
def test_latin_text_has_no_symbols_of_other_fonts(text: str, latin: bool) -> None:
    assert is_latin(text) is latin
