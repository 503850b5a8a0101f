"""E-mail addresses and URLs. The expected results are Django's."""

import pytest
from cv_common.drf.addresses import is_email, is_web_address
from hypothesis import given
from hypothesis import strategies as st

LABEL = "b" * 63


@pytest.mark.parametrize(
    "text",
    [
        "marie.dubois@example.com",
        "A@X.COM",
        "a.b+c@x.test",
        "user@company.local",
        "a@localhost",
        "a@é.fr",
        "a@xn--9ca.fr",
        '"q"@x.com',
        "a@[127.0.0.1]",
        "a@[::1]",
        "!#$%&'*+/=?^_`{|}~-@x.com",
        f"a@{LABEL}.com",
    ],
)
def test_valid_email_addresses(text: str) -> None:
    assert is_email(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "a",
        "a@",
        "@x.com",
        "a@b",
        "a@x.c",
        "a@x.123",
        "a@-x.com",
        "a@x-.com",
        "a@x..com",
        "a@x.com.",
        "a..b@x.com",
        ".a@x.com",
        "a b@x.com",
        '"a b"@x.com',
        "a@b@c.de",
        "é@x.fr",
        "a@x.com\n",
        "a@1.2.3.4",
        "a@[::g]",
        "a@[]",
        "a@[127.0.0.1",
        "a@LOCALHOST:25",
        f"a@b{LABEL}.com",
        "a" * 315 + "@x.com",
    ],
)
def test_invalid_email_addresses(text: str) -> None:
    assert not is_email(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://linkedin.com/in/johndoe",
        "HTTP://X.COM",
        "http://localhost:8000/x?y#z",
        "http://1.2.3.4",
        "http://[::1]:80/",
        "http://x.com:99999",
        "http://x.com.",
        "http://u:p@x.com",
        "http://é.fr",
        "http://x.com/é?x#y",
        "http://x.com?x",
        "http://foo.bar/{x}",
        "http://x.com/<b>",
    ],
)
def test_valid_urls(text: str) -> None:
    assert is_web_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x.com",
        "//x.com",
        "http:x.com",
        "http:///x.com",
        "http://",
        "http://.",
        "http://x",
        "http://x.c",
        "http://a..b",
        "http://-a.com",
        "http://a-.com",
        "http://1.2.3",
        "http://256.1.1.1",
        "http://[::g]",
        "http://[::1",
        "http://x.com:",
        "http://x.com:123456",
        "http://u:p:q@x.com",
        "http://x.com/a b",
        "http://x.com\n",
        "http://exa_mple.com",
        "http://x.com\\@y.com",
        "javascript:alert(1)",
        "ftp://x.com",
        "file:///etc/passwd",
        "data:text/html,x",
        "http://" + f"{LABEL}." * 4 + "com",
        "http://x.com/" + "a" * 2048,
    ],
)
def test_invalid_urls(text: str) -> None:
    assert not is_web_address(text)


@given(st.text() | st.text(alphabet='@.-"[]:\\/ ahtps0é'))
def test_no_text_raises(text: str) -> None:
    assert is_email(text) in (True, False)
    assert is_web_address("http://" + text) in (True, False)
