"""Django's four password rules, with Django's texts."""

import pytest
from cv_auth.domain.passwords import common_passwords, password_problems
from hypothesis import given
from hypothesis import strategies as st

PERSON = {"username": "marie.dubois", "email": "marie@atelier-lumiere.fr", "first_name": "Marie", "last_name": "Dubois"}
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
def test_rules(password: str, problems: list[str]) -> None:
    assert password_problems(password, PERSON) == problems


@pytest.mark.parametrize(("attribute", "name"), [("first_name", "first name"), ("last_name", "last name")])
def test_names_have_djangos_names(attribute: str, name: str) -> None:
    assert password_problems("Aurélien9", {attribute: "Aurélien"}) == [SIMILAR.format(name)]


def test_list_is_whole() -> None:
    assert len(common_passwords()) > 19_000
    assert all(password == password.lower().strip() for password in common_passwords())


@given(st.sampled_from(sorted(filter(str.isascii, common_passwords()))))
def test_common_passwords_are_known_in_every_case(password: str) -> None:
    for typed in (password, password.upper(), password.title()):
        assert COMMON in password_problems(typed, {})


@given(st.text(min_size=1, max_size=128), st.dictionaries(st.sampled_from(sorted(PERSON)), st.none() | st.text()))
def test_rules_hold_for_every_text(password: str, person: dict[str, str | None]) -> None:
    problems = password_problems(password, person)
    assert len(problems) == len(set(problems)) <= 4
    assert (SHORT in problems) == (len(password) < 8)
    assert (NUMERIC in problems) == password.isdigit()


@given(st.text(min_size=3, max_size=150))
def test_own_name_is_never_a_password(name: str) -> None:
    assert SIMILAR.format("username") in password_problems(name, {"username": name})
