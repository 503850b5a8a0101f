"""The Jinja environment of the templates: sandboxed, with autoescape and the filters for CVs."""

from jinja2 import ChainableUndefined, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from cv_renderer.domain import dates, hyperlinks, skills
from cv_renderer.domain.documents import Document
from cv_renderer.domain.jobs import Job
from cv_renderer.domain.languages import Language, find_language
from cv_renderer.domain.prose_html import render_prose
from cv_renderer.engine.fetcher import PHOTO_URL


def fill_template(job: Job) -> str:
    """Return the template filled with the document, as HTML. Raises any exception that the template causes."""
    resume = {**job.document, "photo": PHOTO_URL if job.photo else None}
    template = _ENVIRONMENT.from_string(job.template_html)
    language = find_language(job.language)
    return template.render(resume=resume, labels=language.labels, language=language.tag, direction=language.direction)


def _none_as_empty(value: object) -> object:
    return "" if value is None else value


def _language(context: Context) -> Language:
    return find_language(context["language"])


@pass_context
def _period(context: Context, entry: Document) -> str:
    return dates.format_period(entry, _language(context))


@pass_context
def _month(context: Context, value: str | None) -> str:
    return dates.format_month(value, _language(context))


_ENVIRONMENT = ImmutableSandboxedEnvironment(
    autoescape=True,
    undefined=ChainableUndefined,  # a document has only the fields that are filled in
    finalize=_none_as_empty,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters.update(
    period=_period,
    month=_month,
    prose=render_prose,
    by_category=skills.group_by_category,
    web_link=hyperlinks.web_link,
    mail_link=hyperlinks.mail_link,
    phone_link=hyperlinks.phone_link,
    readable_address=hyperlinks.readable_address,
)
