"""Lists in bodies: their maximum length and the errors of their entries."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from cv_common.drf.body import RequestBody, max_items, partial, validate, validate_partial
from cv_common.drf.fields import FormText, Text
from cv_common.kernel.errors import BadRequest, ValidationFailed
from pydantic import BaseModel, ConfigDict


class Watched(Text):
    """Counts the values that it validates."""

    judged = 0

    def parse(self, value: Any) -> str:
        self.judged += 1
        return super().parse(value)


def test_a_list_over_the_limit_fails_before_its_entries_are_validated() -> None:
    word = Watched(5)

    class Words(RequestBody):
        words: Annotated[list[Annotated[str, word]], max_items(3, "At most 3 words.")]

    assert validate({"words": ["a"] * 3}, Words).words == ["a"] * 3
    assert validate({"words": FormText('["a"]')}, Words).words == ["a"]
    assert word.judged == 4
    for words in (["a"] * 4, FormText('["a", "b", "c", "d"]')):
        for model in (Words, partial(Words)):
            with pytest.raises(BadRequest, match=r"At most 3 words\."):
                validate_partial({"words": words}, model)
    assert word.judged == 4


def test_the_error_tree_of_a_list_is_built_once() -> None:
    class Entries(list[Any]):
        walks = 0

        def __iter__(self) -> Iterator[Any]:
            self.walks += 1
            return super().__iter__()

    class Line(BaseModel):
        name: Annotated[str, Text(10)]

    class Note(RequestBody):
        lines: list[Line]

    entries = Entries([{}] * 50)
    with pytest.raises(ValidationFailed) as failed:
        validate({"lines": entries}, Note)
    assert failed.value.body == {"lines": [{"name": ["This field is required."]}] * 50}
    assert entries.walks <= 2


def test_an_invalid_key_has_our_error_message() -> None:
    class Open(RequestBody):
        model_config = ConfigDict(extra="allow")

    class Box(RequestBody):
        free: list[Open]

    with pytest.raises(ValidationFailed) as failed:
        validate({"free": [{}, {"a\ud83d": 1}]}, Box)
    refused = {"non_field_errors": ["Surrogate characters are not allowed: U+D83D."]}
    assert failed.value.body == {"free": [{}, refused]}
