"""What a template is, and what makes a catalog of them sound."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

MANIFEST, HTML, CSS = FILES = ("template.toml", "template.html", "template.css")
"""The files of one template."""
SAMPLE = "sample_resume.json"
"""The document that all thumbnails show, beside the templates' folders."""
SAMPLE_LANGUAGE = "fr"

_SLUG = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_MAX_SLUG = 100
_JINJA = ImmutableSandboxedEnvironment(autoescape=True)


class UnsoundCatalog(Exception):
    """A catalog that cannot be loaded. `faults` are sentences for whoever wrote it."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(self.faults))


class Manifest(BaseModel):
    """What `template.toml` says. A lower `position` stands earlier and, among new templates, gets the lower id."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    description: str
    is_premium: bool
    position: int


@dataclass(frozen=True)
class Template:
    """One template as its author wrote it. `slug` names it for ever, whatever becomes of its title and text."""

    slug: str
    manifest: Manifest
    html: str
    css: str

    @cached_property
    def version(self) -> str:
        """Changes with everything that shows on a page."""
        return _digest(self.html, self.css)


@dataclass(frozen=True)
class Catalog:
    """All templates in the order of their positions, and the document their thumbnails show."""

    templates: tuple[Template, ...]
    sample: dict[str, Any]

    def picture_of(self, template: Template) -> str:
        """What the template's thumbnail is made of, as a digest."""
        return _digest(template.version, SAMPLE_LANGUAGE, json.dumps(self.sample, sort_keys=True))


def is_slug(text: str) -> bool:
    """Can a template be called so?"""
    return len(text) <= _MAX_SLUG and _SLUG.fullmatch(text) is not None


def read_template(slug: str, files: dict[str, str]) -> Template:
    """The template of a folder called `slug` from the texts of its `FILES`. Raises UnsoundCatalog."""
    if not is_slug(slug):
        raise UnsoundCatalog([f"{slug}: a folder is named in lower-case letters, digits and single underscores"])
    faults = [f"{slug}/{name}: is missing or empty" for name in FILES if not files.get(name, "").strip()]
    if faults:
        raise UnsoundCatalog(faults)
    template = Template(slug, _read_manifest(slug, files[MANIFEST]), files[HTML], files[CSS])
    _check_jinja(template)
    return template


def _read_manifest(slug: str, text: str) -> Manifest:
    try:
        return Manifest.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UnsoundCatalog([f"{slug}/{MANIFEST}: {error}"]) from None
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise UnsoundCatalog(f"{slug}/{MANIFEST}: {fault}" for fault in faults) from None


def _check_jinja(template: Template) -> None:
    """Syntax only; what a template does with a document shows when the renderer makes its thumbnail."""
    try:
        _JINJA.parse(template.html)
    except TemplateSyntaxError as error:
        raise UnsoundCatalog([f"{template.slug}/{HTML}, line {error.lineno}: {error.message}"]) from None


def read_sample(text: str) -> dict[str, Any]:
    """The sample document. Raises UnsoundCatalog."""
    if not text.strip():
        raise UnsoundCatalog([f"{SAMPLE}: is missing or empty"])
    try:
        sample = json.loads(text)
    except ValueError as error:
        raise UnsoundCatalog([f"{SAMPLE}: {error}"]) from None
    if not isinstance(sample, dict):
        raise UnsoundCatalog([f"{SAMPLE}: must be a JSON object"])
    return sample


def catalog_of(templates: Iterable[Template], sample: dict[str, Any]) -> Catalog:
    """A catalog in its order. Raises UnsoundCatalog when there is nothing in it, or no one order."""
    ordered = tuple(sorted(templates, key=lambda template: template.manifest.position))
    if not ordered:
        raise UnsoundCatalog(["the folder holds no templates"])
    taken = Counter(template.manifest.position for template in ordered)
    faults = [
        f"{template.slug}/{MANIFEST}: position {template.manifest.position} is taken more than once"
        for template in ordered
        if taken[template.manifest.position] > 1
    ]
    if faults:
        raise UnsoundCatalog(faults)
    return Catalog(ordered, sample)


def _digest(*parts: str) -> str:
    """A hash of texts, which tells ("ab", "c") from ("a", "bc")."""
    return sha256(json.dumps(parts).encode()).hexdigest()
