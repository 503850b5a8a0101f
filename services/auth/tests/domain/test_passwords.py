"""Password rules: Django's four validators with Django's texts."""

from dataclasses import replace

import pytest
from cv_auth.domain.accounts import Person
from cv_auth.domain.passwords import common_passwords, password_problems
from hypothesis import given
from hypothesis import strategies as st

NOBODY = Person(username="", email="", first_name="", last_name="", phone=None)
MARIE = Person("marie.dubois", "marie@atelier-lumiere.fr", "Marie", "Dubois", phone=None)
names = st.text(max_size=20)
people = st.builds(Person, names, names, names, names, phone=st.none())
SHORT = "This password is too short. It must contain at least 8 characters."
COMMON = "This password is too common."
NUMERIC = "This password is entirely numeric."
SIMILAR = "The password is too similar to the {}."


@pytest.mark.parametrize(
    ("password", "problems"),
    [
        ("SecurePass123!", []),
        ("correct horse battery staple", []),
        ("Aa1!xyz", [SHORT]),
        ("Aa1!xyzq", []),
        ("password", [COMMON]),
        (" PassWord ", [COMMON]),
        ("84719305628", [NUMERIC]),
        ("٨٤٧١٩٣٠٥٦٢٨", [NUMERIC]),
        ("1234", [SHORT, COMMON, NUMERIC]),
        ("marie.dubois1", [SIMILAR.format("username")]),
        ("MarieDubois", [SIMILAR.format("username")]),
        ("Dubois75", [SIMILAR.format("username")]),
        ("AtelierLumiere", [SIMILAR.format("email address")]),
    ],
)
def test_password_problems_are_djangos(password: str, problems: list[str]) -> None:
    assert password_problems(password, MARIE) == problems


def test_password_similar_to_a_name_is_reported_with_djangos_label() -> None:
    by_first_name = password_problems("Aurélien9", replace(NOBODY, first_name="Aurélien"))
    by_last_name = password_problems("Aurélien9", replace(NOBODY, last_name="Aurélien"))
    assert by_first_name == [SIMILAR.format("first name")]
    assert by_last_name == [SIMILAR.format("last name")]


def test_common_passwords_are_complete_and_normalized() -> None:
    assert len(common_passwords()) > 19_000
    assert all(password == password.lower().strip() for password in common_passwords())


@given(st.sampled_from(sorted(filter(str.isascii, common_passwords()))))
def test_common_passwords_are_rejected_in_every_case(password: str) -> None:
    for typed in (password, password.upper(), password.title()):
        assert COMMON in password_problems(typed, NOBODY)


@given(st.text(min_size=1, max_size=128), people)
def test_length_and_digit_rules_hold_for_any_password(password: str, person: Person) -> None:
    problems = password_problems(password, person)
    assert len(problems) == len(set(problems)) <= 4
    assert (SHORT in problems) == (len(password) < 8)
    assert (NUMERIC in problems) == password.isdigit()


@given(st.text(min_size=3, max_size=150))
def test_own_username_is_rejected_as_a_password(name: str) -> None:
    assert SIMILAR.format("username") in password_problems(name, replace(NOBODY, username=name))
