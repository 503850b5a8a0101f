"""Templates: as their authors write them in a catalog, and as the database stores them."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Annotated

from jinja2 import DictLoader, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

MANIFEST, HTML, CSS = FILES = ("template.toml", "template.html", "template.css")
"""The files of one template."""
SHARED = "_shared"
"""The folder of the files that templates extend and include."""
SAMPLE = "sample_resume.json"
"""The document that all thumbnails show."""
SAMPLE_LANGUAGE = "fr"

_SLUG = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_MAX_SLUG = 100
_JINJA = ImmutableSandboxedEnvironment(autoescape=True)


class InvalidCatalog(Exception):
    """A catalog that cannot be loaded. `errors` are sentences for its author."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = list(errors)
        super().__init__("\n".join(self.errors))


class Manifest(BaseModel):
    """The content of `template.toml`. Templates are sorted by `position`, and new ones get their ids in that order."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    description: str
    is_premium: bool
    position: int


@dataclass(frozen=True)
class TemplateSource:
    """A template of a catalog, with its includes resolved. The slug identifies it for ever; all else may change."""

    slug: str
    manifest: Manifest
    html: str
    css: str

    @cached_property
    def version(self) -> str:
        """Return a hash of everything that affects a rendered page."""
        return _digest(self.html, self.css)


@dataclass(frozen=True, slots=True)
class TemplateContent:
    """The columns of a template that loading a catalog writes."""

    slug: str
    name: str
    description: str
    is_premium: bool
    is_active: bool
    template_html: str
    template_css: str
    version: str
    thumbnail_hash: str


@dataclass(frozen=True, slots=True)
class StoredTemplate(TemplateContent):
    """A row of the table `templates`."""

    id: int
    revision: int
    created_at: datetime

    @property
    def content(self) -> TemplateContent:
        return TemplateContent(**{field.name: getattr(self, field.name) for field in fields(TemplateContent)})


@dataclass(frozen=True)
class Catalog:
    """All templates, sorted by position, and the document that their thumbnails show."""

    templates: tuple[TemplateSource, ...]
    sample: dict[str, object]

    def thumbnail_hash(self, template: TemplateSource) -> str:
        """Return a hash of everything that affects the template's thumbnail."""
        return _digest(template.version, SAMPLE_LANGUAGE, json.dumps(self.sample, sort_keys=True))

    def content_of(self, template: TemplateSource) -> TemplateContent:
        """Return the row of an active template."""
        return TemplateContent(
            slug=template.slug,
            name=template.manifest.name,
            description=template.manifest.description,
            is_premium=template.manifest.is_premium,
            is_active=True,
            template_html=template.html,
            template_css=template.css,
            version=template.version,
            thumbnail_hash=self.thumbnail_hash(template),
        )


def is_slug(text: str) -> bool:
    """Return whether a template may have this slug."""
    return len(text) <= _MAX_SLUG and _SLUG.fullmatch(text) is not None


def read_template(slug: str, files: Mapping[str, str], shared: Mapping[str, str]) -> TemplateSource:
    """Read the template in the folder `slug`, from the texts of its `FILES` and of the shared files, by name.

    Raises InvalidCatalog.
    """
    if not is_slug(slug):
        raise InvalidCatalog([f"{slug}: a folder is named in lower-case letters, digits and single underscores"])
    errors = [f"{slug}/{name}: is missing or empty" for name in FILES if not files.get(name, "").strip()]
    if errors:
        raise InvalidCatalog(errors)
    manifest = _read_manifest(slug, files[MANIFEST])
    html, css = (_resolve_includes(f"{slug}/{name}", files[name], shared) for name in (HTML, CSS))
    try:
        _JINJA.parse(html)
    except TemplateSyntaxError as error:  # other errors depend on the document; the thumbnail finds them
        raise InvalidCatalog([f"{slug}/{HTML}, line {error.lineno}: {error.message}"]) from None
    return TemplateSource(slug, manifest, html, css)


def _read_manifest(slug: str, text: str) -> Manifest:
    try:
        return Manifest.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidCatalog([f"{slug}/{MANIFEST}: {error}"]) from None
    except ValidationError as error:
        errors = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise InvalidCatalog(f"{slug}/{MANIFEST}: {each}" for each in errors) from None


def _resolve_includes(name: str, text: str, shared: Mapping[str, str]) -> str:
    """Replace the `<% extends %>`, `<% block %>` and `<% include %>` of `text` by the shared files' texts.

    The result is self-contained and still a Jinja template: `{{ … }}` and `{% … %}` are the renderer's.
    """
    environment = ImmutableSandboxedEnvironment(
        loader=DictLoader({**{f"{SHARED}/{path}": content for path, content in shared.items()}, name: text}),
        block_start_string="<%", block_end_string="%>",
        variable_start_string="<%=", variable_end_string="=%>",
        comment_start_string="<%#", comment_end_string="#%>",
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined,
    )  # fmt: skip
    try:
        return environment.get_template(name).render()
    except TemplateSyntaxError as error:
        raise InvalidCatalog([f"{error.name}, line {error.lineno}: {error.message}"]) from None
    except TemplateNotFound as error:
        raise InvalidCatalog([f"{name}: there is no file {error.name}"]) from None
    except (TemplateError, RecursionError) as error:
        raise InvalidCatalog([f"{name}: {error}"]) from None


def read_sample(text: str) -> dict[str, object]:
    """Parse the sample document. Raises InvalidCatalog."""
    if not text.strip():
        raise InvalidCatalog([f"{SAMPLE}: is missing or empty"])
    try:
        sample = json.loads(text)
    except ValueError as error:
        raise InvalidCatalog([f"{SAMPLE}: {error}"]) from None
    if not isinstance(sample, dict):
        raise InvalidCatalog([f"{SAMPLE}: must be a JSON object"])
    return sample


def build_catalog(templates: Iterable[TemplateSource], sample: dict[str, object]) -> Catalog:
    """Build a catalog, sorted by position. Raises InvalidCatalog if it is empty or two templates share a position."""
    ordered = tuple(sorted(templates, key=lambda template: template.manifest.position))
    errors = [] if ordered else ["the folder holds no templates"]
    positions = Counter(template.manifest.position for template in ordered)
    errors += [
        f"{template.slug}/{MANIFEST}: position {template.manifest.position} is taken more than once"
        for template in ordered
        if positions[template.manifest.position] > 1
    ]
    if errors:
        raise InvalidCatalog(errors)
    return Catalog(ordered, sample)


def _digest(*parts: str) -> str:
    """Return a hash of several texts that depends on their boundaries: ("ab", "c") and ("a", "bc") differ."""
    return sha256(json.dumps(parts).encode()).hexdigest()
