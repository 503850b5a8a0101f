"""The oracle: Django REST Framework itself, with the contract's rules written as its serializers.

It shares nothing with the system but the contract: what it says of a bad body is what a frontend written against DRF
expects to read.
"""

from typing import Any

import django
from django.apps import apps
from django.conf import settings

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        REST_FRAMEWORK={"LIST_SERIALIZER_ERRORS_AS_DICT": False},
        USE_TZ=True,
        AUTH_PASSWORD_VALIDATORS=[
            {"NAME": f"django.contrib.auth.password_validation.{name}"}
            for name in (
                "UserAttributeSimilarityValidator",
                "MinimumLengthValidator",
                "CommonPasswordValidator",
                "NumericPasswordValidator",
            )
        ],
    )
    django.setup()

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import URLValidator
from django.db import connection, models
from django.test import RequestFactory
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request

MAX_INTEGER = 2_147_483_647


class Template(models.Model):
    """The existing templates."""

    class Meta:
        app_label = "contenttypes"


if Template._meta.db_table not in connection.introspection.table_names():
    with connection.schema_editor() as editor:
        editor.create_model(Template)
    Template.objects.bulk_create([Template(pk=number) for number in (1, 2, 3)])


def text(max_length: int, **options: Any) -> serializers.CharField:
    return serializers.CharField(max_length=max_length, **options)


def optional(max_length: int) -> serializers.CharField:
    return text(max_length, required=False, allow_null=True, allow_blank=True)


class HttpUrl(serializers.URLField):
    """An optional URL. DRF copies a field by calling its class again, so the class sets the validator."""

    def __init__(self) -> None:
        super().__init__(max_length=200, required=False, allow_null=True, allow_blank=True)
        self.validators[-1] = URLValidator(schemes=["http", "https"], message="Enter a valid URL.")


def order() -> serializers.IntegerField:
    return serializers.IntegerField(min_value=0, max_value=MAX_INTEGER, required=False, allow_null=True)


class Period(serializers.Serializer):
    """A period with a start and an end."""

    start_date = serializers.DateField()
    end_date = serializers.DateField(required=False, allow_null=True)
    is_current = serializers.BooleanField(required=False, default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        end = attrs.get("end_date")
        if end is not None and end < attrs["start_date"]:
            raise serializers.ValidationError({"end_date": ["The end date may not be before the start date."]})
        return attrs


class Experience(Period):
    company = text(200)
    position = text(200)
    location = optional(200)
    description = optional(10_000)
    order = order()


class Education(Period):
    institution = text(200)
    degree = text(200)
    field_of_study = optional(200)
    location = optional(200)
    grade = optional(100)
    description = optional(10_000)
    order = order()


class Skill(serializers.Serializer):
    name = text(100)
    level = serializers.ChoiceField(
        choices=["beginner", "intermediate", "advanced", "expert"], required=False, allow_null=True
    )
    category = optional(100)
    order = order()


def typed(max_length: int) -> serializers.CharField:
    """Return a text of a free list: optional and not trimmed."""
    return text(max_length, required=False, allow_null=True, allow_blank=True, trim_whitespace=False)


class Language(serializers.Serializer):
    language = typed(100)
    level = typed(100)


class Certification(serializers.Serializer):
    name = typed(200)
    issuer = typed(200)
    date = typed(50)


class Project(serializers.Serializer):
    name = typed(200)
    description = typed(10_000)
    url = typed(500)


class CustomSection(serializers.Serializer):
    title = typed(200)
    content = typed(10_000)


class Resume(serializers.Serializer):
    """Section 3 of the contract."""

    template = serializers.PrimaryKeyRelatedField(queryset=Template.objects.all())
    full_name = text(200)
    email = serializers.EmailField(max_length=254)
    phone = optional(30)
    address = optional(300)
    website = HttpUrl()
    linkedin_url = HttpUrl()
    github_url = HttpUrl()
    title = optional(200)
    summary = optional(10_000)
    photo = serializers.ImageField(required=False, allow_null=True)
    experience_data = Experience(many=True, required=False)
    education_data = Education(many=True, required=False)
    skills_data = Skill(many=True, required=False)
    languages_data = Language(many=True, required=False)
    certifications_data = Certification(many=True, required=False)
    projects_data = Project(many=True, required=False)
    custom_sections = CustomSection(many=True, required=False)


class Register(serializers.Serializer):
    """Section 1.1 of the contract."""

    username = serializers.CharField(max_length=150, validators=[UnicodeUsernameValidator()])
    email = serializers.EmailField(max_length=254)
    password = text(128)
    password2 = text(128)
    first_name = optional(150)
    last_name = optional(150)
    phone = optional(20)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        errors = {}
        if attrs["password"] != attrs["password2"]:
            errors["password2"] = ["Passwords must match."]
        told = {name: attrs.get(name, "") for name in ("username", "email", "first_name", "last_name")}
        try:
            validate_password(attrs["password"], User(**told))
        except DjangoValidationError as error:
            errors["password"] = error.messages
        if errors:
            raise serializers.ValidationError(errors)
        return attrs


def find_errors(serializer: type[serializers.Serializer], body: Any) -> Any:
    """DRF's error body for a request body; None if it is valid."""
    judged = serializer(data=body)
    return None if judged.is_valid() else judged.errors


def read(serializer: type[serializers.Serializer], raw: bytes, content_type: str) -> tuple[Any, dict[str, Any]]:
    """DRF's error body for the raw body of a PATCH, None if it is valid, and the validated texts."""
    plain = RequestFactory().generic("PATCH", "/", raw, content_type=content_type)
    request = Request(plain, parsers=[JSONParser(), FormParser(), MultiPartParser()])
    try:
        judged = serializer(data=request.data, partial=True)
    except ParseError as error:
        return {"detail": str(error.detail)}, {}
    if not judged.is_valid():
        return judged.errors, {}
    return None, {name: value for name, value in judged.validated_data.items() if isinstance(value, str)}


assert apps.ready
