"""Field types for request bodies that accept, coerce and refuse exactly as Django REST Framework's serializer fields.

Each is used as an annotation, `company: Annotated[str, Text(200)]`, so that pydantic runs it and OpenAPI shows it.
Messages are DRF's, to the letter. Strings come out trimmed and in Unicode NFC.
"""

import re
import unicodedata
from abc import ABC, abstractmethod
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from cv_common.forms import FormText

NULL = "This field may not be null."
BLANK = "This field may not be blank."
MAX_INTEGER = 2_147_483_647

_SURROGATE = re.compile("[\ud800-\udfff]")


def invalid(message: str) -> PydanticCustomError:
    """A refusal with a ready message, for validators of our own."""
    return PydanticCustomError("drf", "{message}", {"message": message})


def clean_text(value: str) -> str:
    """`value` trimmed and in NFC. Raises on NUL and on lone surrogates, which no database can keep."""
    if "\x00" in value:
        raise invalid("Null characters are not allowed.")
    if found := _SURROGATE.search(value):
        raise invalid(f"Surrogate characters are not allowed: U+{ord(found.group()):X}.")
    return unicodedata.normalize("NFC", value.strip())


class Field(ABC):
    """A field's shared behaviour: null, and how pydantic and OpenAPI see it."""

    def __init__(self, *, null: bool = False) -> None:
        self.null = null

    @abstractmethod
    def parse(self, value: Any) -> Any:
        """The clean value of a non-null input. Raises PydanticCustomError."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the non-null values."""

    def validate(self, value: Any) -> Any:
        if value is None or (value == "" and isinstance(value, FormText) and not isinstance(self, Text)):
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
    """DRF's CharField. A number becomes its text; `true` does not. A nullable text may be blank too."""

    def __init__(self, max_length: int, *, null: bool = False, blank: bool | None = None, trim: bool = True) -> None:
        super().__init__(null=null)
        self.max_length = max_length
        self.blank = null if blank is None else blank
        self.trim = trim

    def parse(self, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise invalid("Not a valid string.")
        text = str(value)
        cleaned = clean_text(text)
        if not cleaned:
            if self.blank:
                return ""
            raise invalid(BLANK)
        if not self.trim:
            cleaned = text
        if len(cleaned) > self.max_length:
            raise invalid(f"Ensure this field has no more than {self.max_length} characters.")
        return cleaned

    def schema(self) -> dict[str, Any]:
        shape: dict[str, Any] = {"type": "string", "maxLength": self.max_length}
        return shape if self.blank else {**shape, "minLength": 1}


class Email(Text):
    """DRF's EmailField. The address is checked for form only; no name server is asked."""

    def parse(self, value: Any) -> str:
        text = super().parse(value)
        if text:
            try:
                validate_email(text, check_deliverability=False, test_environment=True)
            except EmailNotValidError as error:
                raise invalid("Enter a valid email address.") from error
        return text

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "format": "email"}


class Url(Text):
    """DRF's URLField, http and https only."""

    _HOST = re.compile(r"[^\s/?#\\@:]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?")

    def parse(self, value: Any) -> str:
        text = super().parse(value)
        if text and not self._is_url(text):
            raise invalid("Enter a valid URL.")
        return text

    def _is_url(self, text: str) -> bool:
        if re.search(r"[\s\\<>\"{}|^`]", text):
            return False
        try:
            parts = urlsplit(text)
            host = parts.netloc.rpartition("@")[2]
            known = parts.hostname == "localhost" or "." in (parts.hostname or "") or host.startswith("[")
            return parts.scheme in ("http", "https") and known and bool(self._HOST.fullmatch(host))
        except ValueError:
            return False

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "format": "uri"}


class Integer(Field):
    """DRF's IntegerField, within 0..`MAX_INTEGER` unless told otherwise."""

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
    """DRF's PrimaryKeyRelatedField as far as the type goes; whether the object exists is the action's to say."""

    def parse(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise invalid(f"Incorrect type. Expected pk value, received {type(value).__name__}.")
        try:
            return int(value)
        except ValueError as error:
            raise invalid(f"Incorrect type. Expected pk value, received {type(value).__name__}.") from error

    def schema(self) -> dict[str, Any]:
        return {"type": "integer"}


class Boolean(Field):
    """DRF's BooleanField, with the same words for true and false."""

    _TRUE = frozenset({"t", "y", "yes", "true", "on", "1", 1})
    _FALSE = frozenset({"f", "n", "no", "false", "off", "0", 0})

    def parse(self, value: Any) -> bool:
        word = value.strip().lower() if isinstance(value, str) else value
        try:
            if word in self._TRUE:
                return True
            if word in self._FALSE:
                return False
        except TypeError as error:
            raise invalid("Must be a valid boolean.") from error
        raise invalid("Must be a valid boolean.")

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Date(Field):
    """DRF's DateField: `YYYY-MM-DD` in, and the same text out."""

    def parse(self, value: Any) -> str:
        try:
            if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
                return date.fromisoformat(value).isoformat()
            raise ValueError(value)
        except ValueError:
            raise invalid("Date has wrong format. Use one of these formats instead: YYYY-MM-DD.") from None

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
