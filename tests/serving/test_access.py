"""Keys and tokens, and changes of them without an interruption."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from mnist_exp.config import AuthMode, KeyName
from mnist_exp.serving.access import access_check, new_token
from mnist_exp.serving.files import Credentials
from tests.support.scoring_service import NAME, Service
from tests.support.waiting import eventually

KEYS = Credentials("the primary key", "the secondary key")


def status(service: Service, secret: str) -> int:
    return service.score("none", authorization=f"Bearer {secret}").status_code


@pytest.mark.parametrize("which", list(KeyName))
def test_regenerating_a_key_changes_it_and_keeps_the_other(changeable: Service, which: KeyName):
    before = changeable.keys
    changeable.update(regenerate_key=which)
    after = changeable.keys
    kept = KeyName.secondary if which is KeyName.primary else KeyName.primary
    assert getattr(before, kept) == getattr(after, kept)
    assert status(changeable, getattr(before, which)) == 401
    assert (
        status(changeable, getattr(after, which)) == status(changeable, getattr(after, kept)) == 200
    )


def test_regenerating_a_key_does_not_interrupt_users_of_the_other(changeable: Service):
    secret, begun, done = changeable.keys.secondary, Event(), Event()

    def statuses() -> set[int]:
        found = set()
        with changeable.client as client:
            while not done.is_set():
                headers = {"authorization": f"Bearer {secret}"}
                found.add(client.post("/score", content="none", headers=headers).status_code)
                begun.set()
        return found

    with ThreadPoolExecutor() as pool:
        client = pool.submit(statuses)
        assert begun.wait(30)
        for _ in range(3):
            changeable.update(regenerate_key=KeyName.primary)
        done.set()
        assert client.result() == {200}


def test_with_tokens_a_token_opens_and_keys_do_not(changeable: Service):
    changeable.update(auth_mode=AuthMode.aml_token)
    keys = changeable.keys
    assert status(changeable, keys.token) == 200
    assert status(changeable, keys.primary) == status(changeable, keys.secondary) == 401
    assert changeable.endpoints.invoke(NAME, b"none") == {}
    assert changeable.keys.token == keys.token


def test_an_expired_token_is_refused_and_invoke_gets_a_new_one(own: Service):
    own.update(auth_mode=AuthMode.aml_token, token_lifetime=1)
    token = own.keys.token
    eventually(lambda: status(own, token) == 401)
    assert own.endpoints.invoke(NAME, b"none") == {}
    assert own.keys.token != token


def test_a_new_primary_key_revokes_all_tokens(changeable: Service):
    changeable.update(auth_mode=AuthMode.aml_token)
    token = changeable.keys.token
    changeable.update(auth_mode=AuthMode.aml_token, regenerate_key=KeyName.primary)
    assert status(changeable, token) == 401
    assert status(changeable, changeable.keys.token) == 200


def opens(token: str) -> bool:
    return access_check("aml_token", "mine", KEYS)(f"Bearer {token}".encode("latin-1"))


def test_a_token_of_another_endpoint_key_or_time_is_refused():
    later = time.time() + 60
    assert opens(new_token(KEYS.primary, "mine", later))
    assert not opens(new_token(KEYS.primary, "yours", later))
    assert not opens(new_token(KEYS.secondary, "mine", later))
    assert not opens(new_token(KEYS.primary, "mine", time.time() - 1))


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "9" * 400, "9999999999.x.", "é.é.é"])
def test_text_that_is_not_a_token_is_refused(token: str):
    assert not opens(token)


def test_a_token_with_a_changed_expiry_is_refused():
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
def test_headers_that_open_an_endpoint_with_keys(header: bytes, does_open: bool):
    assert access_check("key", "mine", KEYS)(header) is does_open
