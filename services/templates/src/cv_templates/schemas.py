"""The JSON of responses about templates, serialized once for each change of the catalog and served from memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cv_common.kernel.etag import etag_of
from cv_common.kernel.serialization import dump_json
from pydantic import AnyUrl, BaseModel

from cv_templates.domain import StoredTemplate


class TemplateSummary(BaseModel):
    """A template in a list."""

    id: int
    name: str
    description: str
    thumbnail: AnyUrl
    is_premium: bool
    is_active: bool
    created_at: datetime


class Template(TemplateSummary):
    """A template with its sources: a Jinja document and its style sheet."""

    template_html: str
    template_css: str


@dataclass(frozen=True, slots=True)
class PreparedResponse:
    """The body of a response as JSON, and its entity tag."""

    content: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class CatalogResponses:
    """All responses about one state of the catalog. Only `internal_by_id` has inactive templates."""

    all: PreparedResponse
    free: PreparedResponse
    premium: PreparedResponse
    by_id: dict[int, PreparedResponse]
    internal_by_id: dict[int, PreparedResponse]
    default: PreparedResponse | None


def prepare_responses(templates: Sequence[StoredTemplate], base_url: str) -> CatalogResponses:
    """Serialize the responses about `templates`, which are sorted by id. Thumbnail URLs begin with `base_url`."""
    active = [template for template in templates if template.is_active]
    free = [template for template in active if not template.is_premium]
    premium = [template for template in active if template.is_premium]
    internal_by_id = {template.id: _prepare(_serialize_for_service(template)) for template in templates}
    return CatalogResponses(
        all=_prepare([_serialize_summary(template, base_url) for template in active]),
        free=_prepare([_serialize_summary(template, base_url) for template in free]),
        premium=_prepare([_serialize_summary(template, base_url) for template in premium]),
        by_id={
            template.id: _prepare(_serialize_summary(template, base_url) | _serialize_sources(template))
            for template in active
        },
        internal_by_id=internal_by_id,
        default=internal_by_id[free[0].id] if free else None,
    )


def _prepare(body: object) -> PreparedResponse:
    content = dump_json(body)
    return PreparedResponse(content, etag_of(content))


def _serialize_summary(template: StoredTemplate, base_url: str) -> dict[str, object]:
    return {
        "id": template.id,
        "name": template.name,
        "description": template.description,
        "thumbnail": f"{base_url}/media/templates/{template.slug}.png",
        "is_premium": template.is_premium,
        "is_active": template.is_active,
        "created_at": template.created_at,
    }


def _serialize_sources(template: StoredTemplate) -> dict[str, object]:
    return {"template_html": template.template_html, "template_css": template.template_css}


def _serialize_for_service(template: StoredTemplate) -> dict[str, object]:
    """Serialize what other services need to render with a template."""
    return {
        "id": template.id,
        "name": template.name,
        "is_premium": template.is_premium,
        "is_active": template.is_active,
        "version": template.version,
        **_serialize_sources(template),
    }
