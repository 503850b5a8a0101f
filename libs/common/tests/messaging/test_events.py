"""The serialized events: a golden file has the bytes of each version."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cv_common.messaging.events import (
    EVENTS,
    Event,
    ResumeDeleted,
    ResumePaymentChanged,
    SessionClaimed,
    SessionMerged,
    SubscriptionChanged,
    TemplateChanged,
    UserDeleted,
)
from pydantic import ValidationError

GOLDEN = Path(__file__).with_name("golden")
COMMON: dict[str, Any] = {
    "id": UUID("6f1a2c34-5b6d-4e7f-8091-a2b3c4d5e6f7"),
    "occurred_at": datetime(2026, 1, 31, 23, 59, 58, 123456, UTC),
    "revision": 1_769_903_998_123,
}
# What each file holds. A published version is never edited: what it cannot say belongs in the next.
EXAMPLES: tuple[Event, ...] = (
    SessionClaimed(**COMMON, session_id="Zr3nq8cJpXb1yYwV0uTsRQ5oKdLmNa2e", user_id=42),
    SessionMerged(
        **COMMON,
        session_id="Zr3nq8cJpXb1yYwV0uTsRQ5oKdLmNa2e",
        into_session_id="b7Kd0sWq4Xz9TfLm2RhPvC6nYgUaJ3eE",
    ),
    UserDeleted(**COMMON, user_id=42),
    ResumeDeleted(**COMMON, resume_id=7),
    TemplateChanged(**COMMON, template_id=3, is_premium=True, is_active=True),
    ResumePaymentChanged(**COMMON, resume_id=7, paid=True),
    SubscriptionChanged(
        **COMMON,
        user_id=42,
        session_id=None,
        status="active",
        subscription_type="yearly",
        subscription_end_date=datetime(2027, 1, 31, 12, 0, tzinfo=UTC),
        entitled_until=datetime(2027, 2, 3, 12, 0, tzinfo=UTC),
    ),
)


def test_every_event_has_a_golden_file() -> None:
    names = {event.name for event in EVENTS}
    written = {event for event in Event.__subclasses__() if event.__module__ == Event.__module__}  # tests have more
    assert {type(example) for example in EXAMPLES} == set(EVENTS) == written
    assert {path.name for path in GOLDEN.iterdir()} == {f"{name}.json" for name in names}
    assert len(names) == len(EVENTS)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_events_serialize_to_their_golden_files(example: Event) -> None:
    golden = (GOLDEN / f"{example.name}.json").read_bytes()
    assert example.model_dump_json().encode() == golden.rstrip(b"\n")
    assert type(example).model_validate_json(golden) == example


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_unknown_fields_of_a_newer_publisher_are_ignored(event: type[Event]) -> None:
    golden = (GOLDEN / f"{event.name}.json").read_bytes().rstrip()
    assert event.model_validate_json(golden[:-1] + b',"added_later":{"a":1}}').id == COMMON["id"]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_an_event_without_a_required_field_is_invalid(event: type[Event]) -> None:
    for field in set(event.model_fields) - {"id", "occurred_at"}:
        example = event.model_validate_json((GOLDEN / f"{event.name}.json").read_bytes())
        with pytest.raises(ValidationError):
            event.model_validate(example.model_dump(exclude={field}))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
@pytest.mark.parametrize("absurd", [-1, 2**63, 10**400])
def test_an_event_with_an_id_outside_bigint_is_invalid(event: type[Event], absurd: int) -> None:
    example = event.model_validate_json((GOLDEN / f"{event.name}.json").read_bytes())
    for field in {"user_id", "resume_id", "revision"} & set(event.model_fields):
        with pytest.raises(ValidationError):
            event.model_validate(example.model_dump() | {field: absurd})


def test_the_first_word_of_the_name_is_the_stream() -> None:
    assert {event.stream() for event in EVENTS} == {"AUTH", "RESUMES", "PAYMENTS", "TEMPLATES"}
    for event in EVENTS:
        owner, fact, version = event.name.split(".")
        assert (event.stream(), version) == (owner.upper(), "v1")
        assert fact == fact.lower()


def test_events_get_unique_ids() -> None:
    one, other = UserDeleted(user_id=1, revision=1), UserDeleted(user_id=1, revision=1)
    assert one.id != other.id
    assert one.occurred_at.tzinfo is UTC
