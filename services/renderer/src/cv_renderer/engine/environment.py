"""The Jinja environment in which templates run: sandboxed, escaping, and with a CV's own filters."""

from collections.abc import Mapping
from typing import Any

from jinja2 import ChainableUndefined, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from cv_renderer.domain import dates, hyperlinks, skills
from cv_renderer.domain.jobs import Job
from cv_renderer.domain.labels import labels_for
from cv_renderer.domain.prose import Block, blocks_of
from cv_renderer.engine.fetcher import PHOTO_URL


def fill(job: Job) -> str:
    """The template filled with the document: HTML. Raises whatever the template does wrong."""
    resume = {**job.document, "photo": PHOTO_URL if job.photo else None}
    template = _ENVIRONMENT.from_string(job.template_html)
    return template.render(resume=resume, labels=labels_for(job.language), language=job.language)


def _shown(value: Any) -> Any:
    """A field without a value prints nothing."""
    return "" if value is None else value


@pass_context
def _period(context: Context, entry: Mapping[str, Any]) -> str:
    return dates.period(entry, context["labels"])


@pass_context
def _month(context: Context, value: str | None) -> str:
    return dates.month_and_year(value, context["labels"])


def _prose(text: str | None) -> Markup:
    return Markup().join(_block(block) for block in blocks_of(text))


def _block(block: Block) -> Markup:
    if block.is_list:
        return Markup("<ul>{}</ul>").format(Markup().join(Markup("<li>{}</li>").format(line) for line in block.lines))
    return Markup("<p>{}</p>").format(Markup("<br>").join(escape(line) for line in block.lines))


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=True,
        undefined=ChainableUndefined,  # a slip in a template costs a blank, not somebody's export
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        period=_period,
        month=_month,
        prose=_prose,
        by_category=skills.by_category,
        web_link=hyperlinks.web_link,
        mail_link=hyperlinks.mail_link,
        phone_link=hyperlinks.phone_link,
        readable_address=hyperlinks.readable_address,
    )
    return environment


_ENVIRONMENT = _environment()
