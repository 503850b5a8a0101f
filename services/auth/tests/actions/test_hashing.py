"""Password hashing: parameters, concurrency and equal timing for unknown accounts."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from cv_auth.actions.hashing import PasswordHasher
from cv_common.kernel.errors import ServiceUnavailable


@pytest.fixture
async def hasher() -> AsyncIterator[PasswordHasher]:
    hasher = PasswordHasher(workers=1, queue=0)
    await hasher.start()
    yield hasher
    await hasher.stop()


async def test_hash_is_argon2id_with_owasp_parameters(hasher: PasswordHasher) -> None:
    made = await hasher.hash("SecurePass123!")
    assert made.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert made != await hasher.hash("SecurePass123!")
    assert await hasher.verify(made, "SecurePass123!")
    assert not await hasher.verify(made, "securepass123!")
    assert await hasher.rehash_if_needed(made, "SecurePass123!") is None


async def test_verifying_an_unknown_account_computes_a_hash(hasher: PasswordHasher) -> None:
    checking = asyncio.create_task(hasher.verify(None, "SecurePass123!"))
    await asyncio.sleep(0)
    with pytest.raises(ServiceUnavailable):  # the only thread computes the dummy hash
        await hasher.hash("SecurePass123!")
    assert await checking is False


async def test_finished_hashes_free_their_place_in_the_queue(hasher: PasswordHasher) -> None:
    for _ in range(3):
        outcomes = await asyncio.gather(*(hasher.hash("x") for _ in range(2)), return_exceptions=True)
        assert [isinstance(outcome, ServiceUnavailable) for outcome in outcomes] == [False, True]
