"""Keys and tokens, and changing them without an interruption."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from mnist_exp.config import AuthMode, KeyName
from mnist_exp.serving.access import access_check, new_token
from mnist_exp.serving.files import Credentials
from tests.serving.service import NAME, Service

KEYS = Credentials("the primary key", "the secondary key")


def status(service: Service, secret: str) -> int:
    return service.score("none", authorization=f"Bearer {secret}").status_code


@pytest.mark.parametrize("which", list(KeyName))
def test_a_regenerated_key_is_another_and_the_other_key_stays(own: Service, which: KeyName):
    before = own.keys
    own.update(regenerate_key=which)
    after = own.keys
    kept = KeyName.secondary if which is KeyName.primary else KeyName.primary
    assert getattr(before, kept) == getattr(after, kept)
    assert status(own, getattr(before, which)) == 401
    assert status(own, getattr(after, which)) == status(own, getattr(after, kept)) == 200


def test_a_key_is_regenerated_without_an_interruption_for_the_other(own: Service):
    secret, begun, done = own.keys.secondary, Event(), Event()

    def statuses() -> set[int]:
        found = set()
        with own.client as client:
            while not done.is_set():
                headers = {"authorization": f"Bearer {secret}"}
                found.add(client.post("/score", content="none", headers=headers).status_code)
                begun.set()
        return found

    with ThreadPoolExecutor() as pool:
        caller = pool.submit(statuses)
        assert begun.wait(30)
        for _ in range(3):
            own.update(regenerate_key=KeyName.primary)
        done.set()
        assert caller.result() == {200}


def test_a_token_opens_and_the_keys_do_not(own: Service):
    own.update(auth_mode=AuthMode.aml_token)
    keys = own.keys
    assert status(own, keys.token) == 200
    assert status(own, keys.primary) == status(own, keys.secondary) == 401
    assert own.endpoints.invoke(NAME, b"none") is None
    assert own.keys.token == keys.token


def test_a_token_expires_and_the_next_call_of_ours_has_a_new_one(own: Service):
    own.update(auth_mode=AuthMode.aml_token, token_lifetime=1)
    token = own.keys.token
    deadline = time.monotonic() + 30
    while status(own, token) != 401:
        assert time.monotonic() < deadline
    assert own.endpoints.invoke(NAME, b"none") is None
    assert own.keys.token != token


def test_a_new_primary_key_takes_all_tokens_back(own: Service):
    own.update(auth_mode=AuthMode.aml_token)
    token = own.keys.token
    own.update(auth_mode=AuthMode.aml_token, regenerate_key=KeyName.primary)
    assert status(own, token) == 401
    assert status(own, own.keys.token) == 200


def opens(token: str) -> bool:
    return access_check("aml_token", "mine", KEYS)(f"Bearer {token}".encode("latin-1"))


def test_a_token_of_another_endpoint_or_key_or_time_opens_nothing():
    later = time.time() + 60
    assert opens(new_token(KEYS.primary, "mine", later))
    assert not opens(new_token(KEYS.primary, "yours", later))
    assert not opens(new_token(KEYS.secondary, "mine", later))
    assert not opens(new_token(KEYS.primary, "mine", time.time() - 1))


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "9" * 400, "9999999999.x.", "é.é.é"])
def test_what_is_no_token_opens_nothing(token: str):
    assert not opens(token)


def test_a_token_that_says_another_time_than_was_signed_opens_nothing():
    expires, *rest = new_token(KEYS.primary, "mine", time.time() - 1).split(".")
    assert not opens(".".join([str(int(expires) + 100_000), *rest]))


@pytest.mark.parametrize(
    ("header", "does_open"),
    [
        (b"Bearer the primary key", True),
        (b"bearer the secondary key", True),
        (b"Bearer  the primary key ", True),
        (b"Basic the primary key", False),
        (b"the primary key", False),
        (b"Bearer ", False),
        (b"Bearer the primary ke", False),
        (b"Bearer the primary key\xff", False),
        (b"", False),
    ],
)
def test_what_opens_with_keys(header: bytes, does_open: bool):
    assert access_check("key", "mine", KEYS)(header) is does_open
