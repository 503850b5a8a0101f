"""What a Python program does with the client that is generated from the OpenAPI document. Argument: the base URL."""

import sys
from datetime import date
from http import HTTPStatus
from uuid import uuid4

from cv_client import AuthenticatedClient, Client
from cv_client.api.auth import get_profile, login, register
from cv_client.api.resumes import change_resume, create_resume, export_pdf, list_resumes
from cv_client.api.templates import list_templates
from cv_client.models import (
    ExperienceData,
    Export,
    ExportBody,
    FieldErrors,
    LoginBody,
    PatchedResumeBody,
    Profile,
    RegisterBody,
    Registered,
    Resume,
    ResumeBody,
    Tokens,
)


def account(url: str) -> AuthenticatedClient:
    """Return a client with an account of its own."""
    name, password = f"client_{uuid4().hex[:12]}", uuid4().hex
    body = RegisterBody(username=name, email=f"{name}@example.com", password=password, password2=password)
    with Client(base_url=url) as client:
        registered = register.sync(client=client, body=body)
        assert isinstance(registered, Registered), registered
        tokens = login.sync(client=client, body=LoginBody(email=f"{name}@example.com", password=password))
    assert isinstance(tokens, Tokens), tokens
    return AuthenticatedClient(base_url=url, token=tokens.access)


def check_profile(client: AuthenticatedClient) -> None:
    """Check that the account exists as it was registered."""
    profile = get_profile.sync(client=client)
    assert isinstance(profile, Profile), profile
    assert (profile.username[:7], profile.is_premium) == ("client_", False)


def resume(client: AuthenticatedClient) -> Resume:
    """Return a resume that was written, refused a wrong change, and took a right one."""
    templates = list_templates.sync(client=client)
    assert isinstance(templates, list)
    experience = ExperienceData(company="Digital Agency", position="Cheffe de projet", start_date=date(2020, 3, 1))
    body = ResumeBody(templates[0].id, "Marie Dubois", "marie.dubois@example.com", experience_data=[experience])
    created = create_resume.sync(client=client, body=body)
    assert isinstance(created, Resume), created
    refused = change_resume.sync_detailed(created.id, client=client, body=PatchedResumeBody(email="nobody"))
    assert refused.status_code == HTTPStatus.BAD_REQUEST
    assert isinstance(refused.parsed, FieldErrors), refused.parsed
    assert refused.parsed.to_dict() == {"email": ["Enter a valid email address."]}
    saved = change_resume.sync(created.id, client=client, body=PatchedResumeBody(title="Lead Developer"))
    assert isinstance(saved, Resume), saved
    assert (saved.title, saved.experiences[0].company) == ("Lead Developer", "Digital Agency")
    return saved


def main(url: str) -> None:
    """Do all of it."""
    with account(url) as client:
        check_profile(client)
        written = resume(client)
        exported = export_pdf.sync(written.id, client=client, body=ExportBody())
        assert isinstance(exported, Export), exported
        assert not exported.has_watermark
        listed = list_resumes.sync(client=client)
    assert isinstance(listed, list)
    assert [each.id for each in listed] == [written.id]


if __name__ == "__main__":
    main(sys.argv[1])
