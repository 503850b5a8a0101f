"""Field types for request bodies that accept, coerce and reject values as the serializer fields of DRF do.

Fields are annotations: pydantic validates with them and OpenAPI describes them. The messages are DRF's. Texts are
normalized to Unicode NFC, and trimmed unless the field says otherwise.

    class ExperienceBody(RequestBody):
        company: Annotated[str, Text(200)]
        end_date: Annotated[str | None, Date(null=True)] = None
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from cv_common.drf.addresses import is_email, is_web_address
from cv_common.drf.texts import MAX_SHRINK, normalized, text_errors

NULL = "This field may not be null."
BLANK = "This field may not be blank."
MAX_INTEGER = 2_147_483_647


class FormText(str):
    """A text from a form. An empty one may mean null, and a list is sent as JSON text."""

    __slots__ = ()


class UntouchedFileInput(FormText):
    """The empty part that a browser sends for a file input without a file. To a text field it is an empty text."""

    __slots__ = ()


def is_form_blank(value: object) -> bool:
    """Return whether `value` is an empty text from a form."""
    return value == "" and isinstance(value, FormText)


def type_name(value: object) -> str:
    """Return the name of the type for messages."""
    return "str" if isinstance(value, str) else type(value).__name__


def invalid(*messages: str, field: str | None = None) -> PydanticCustomError:
    """Return the error to raise in a validator. A validator of a whole model may name the `field` with the error."""
    # A response cannot contain a lone surrogate that a message quotes.
    encodable = [message.encode("utf-8", "replace").decode() for message in messages]
    context = {"message": " ".join(encodable), "messages": encodable, "field": field}
    return PydanticCustomError("drf", "{message}", context)


def check_text(value: str) -> None:
    """Raise PydanticCustomError for NUL, lone surrogates or too many combining marks."""
    if errors := list(text_errors(value)):
        raise invalid(*errors)


class Field(ABC):
    """Base of all fields: handles null, and connects the field to pydantic and OpenAPI."""

    blank = False
    """Whether an empty text is valid."""
    takes_files = False
    """Whether an uploaded file is valid."""

    def __init__(self, *, null: bool = False) -> None:
        self.null = null

    @abstractmethod
    def parse(self, value: Any) -> Any:
        """Return the clean value of a non-null input. Raises PydanticCustomError."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the non-null values."""

    def means_null(self, value: Any) -> bool:
        """Return whether `value` means null: in a form, an empty text may."""
        return value is None or (self.null and not self.blank and is_form_blank(value))

    def validate(self, value: Any) -> Any:
        if self.means_null(value):
            if self.null:
                return None
            raise invalid(NULL)
        return self.parse(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        shape = self.schema()
        if self.null:
            shape = {**shape, "type": [shape["type"], "null"]}
            if "enum" in shape:
                shape["enum"] = [*shape["enum"], None]
        return shape


class Text(Field):
    """DRF's CharField. Converts numbers to text, but not booleans. A nullable text may also be blank."""

    wrong_type = "Not a valid string."
    form: Literal["NFC", "NFKC"] = "NFC"

    def __init__(self, max_length: int, *, null: bool = False, blank: bool | None = None, trim: bool = True) -> None:
        super().__init__(null=null)
        self.max_length = max_length
        self.blank = null if blank is None else blank
        self.trim = trim

    def parse(self, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise invalid(self.wrong_type)
        text = str(value)
        if self.trim:
            text = text.strip()
        if len(text) <= MAX_SHRINK * self.max_length:
            text = normalized(text, self.form)
        if not text:
            if self.blank:
                return ""
            raise invalid(BLANK)
        if errors := list(self.errors(text)):
            raise invalid(*errors)
        return text

    def errors(self, text: str) -> Iterator[str]:
        """Yield the errors of a text that is not blank."""
        if len(text) > self.max_length:
            yield f"Ensure this field has no more than {self.max_length} characters."
        yield from text_errors(text)

    def schema(self) -> dict[str, Any]:
        shape: dict[str, Any] = {"type": "string", "maxLength": self.max_length}
        return shape if self.blank else {**shape, "minLength": 1}


class Email(Text):
    """DRF's EmailField."""

    wrong_type = "Enter a valid email address."

    def errors(self, text: str) -> Iterator[str]:
        yield from super().errors(text)
        if not is_email(text):
            yield self.wrong_type

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "format": "email"}


class Url(Text):
    """DRF's URLField, http and https only."""

    wrong_type = "Enter a valid URL."

    def errors(self, text: str) -> Iterator[str]:
        yield from super().errors(text)
        if not is_web_address(text):
            yield self.wrong_type

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "format": "uri"}


class Integer(Field):
    """DRF's IntegerField, by default from 0 to `MAX_INTEGER`."""

    def __init__(self, minimum: int = 0, maximum: int = MAX_INTEGER, *, null: bool = False) -> None:
        super().__init__(null=null)
        self.minimum = minimum
        self.maximum = maximum

    def parse(self, value: Any) -> int:
        if isinstance(value, str) and len(value) > 1000:
            raise invalid("String value too large.")
        try:
            number = int(re.sub(r"\.0*\s*$", "", str(value)))
        except ValueError as error:
            raise invalid("A valid integer is required.") from error
        if number > self.maximum:
            raise invalid(f"Ensure this value is less than or equal to {self.maximum}.")
        if number < self.minimum:
            raise invalid(f"Ensure this value is greater than or equal to {self.minimum}.")
        return number

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


class PrimaryKey(Field):
    """The type check of DRF's PrimaryKeyRelatedField. The action checks whether the object exists."""

    def means_null(self, value: Any) -> bool:
        return value is None or value == ""

    def parse(self, value: Any) -> int:
        with suppress(ValueError, OverflowError):  # int(infinity)
            if isinstance(value, int | float | str) and not isinstance(value, bool):
                return int(value)
        raise invalid(f"Incorrect type. Expected pk value, received {type_name(value)}.")

    def schema(self) -> dict[str, Any]:
        return {"type": "integer"}


class Boolean(Field):
    """DRF's BooleanField, with the same texts for true, false and null."""

    _TRUE = frozenset({"t", "y", "yes", "true", "on", "1", 1})
    _FALSE = frozenset({"f", "n", "no", "false", "off", "0", 0})
    _NULL = frozenset({"null", ""})

    def parse(self, value: Any) -> bool | None:
        word = value.lower() if isinstance(value, str) else value
        with suppress(TypeError):  # a list is not hashable
            if word in self._TRUE:
                return True
            if word in self._FALSE:
                return False
            if self.null and word in self._NULL:
                return None
        raise invalid("Must be a valid boolean.")

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Date(Field):
    """DRF's DateField: a date in ISO 8601. Also accepts `2024-1-5`, as `2024-01-05`."""

    _LENIENT = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})$")

    def parse(self, value: Any) -> str:
        if isinstance(value, str):
            with suppress(ValueError):
                if found := self._LENIENT.match(value):
                    return date(*(int(part) for part in found.groups())).isoformat()
                return date.fromisoformat(value).isoformat()
        raise invalid("Date has wrong format. Use one of these formats instead: YYYY-MM-DD.")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date"}


class Choice(Field):
    """DRF's ChoiceField."""

    def __init__(self, *choices: str, null: bool = False) -> None:
        super().__init__(null=null)
        self.choices = choices

    def parse(self, value: Any) -> str:
        if isinstance(value, str | int | float) and str(value) in self.choices:
            return str(value)
        raise invalid(f'"{value}" is not a valid choice.')

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices)}
