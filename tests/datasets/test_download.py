import gzip
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.datasets.download import MIRRORS, MNIST, download
from mnist_exp.datasets.files import NAMES, TEST_IMAGES, TRAIN_IMAGES
from mnist_exp.datasets.mirrors import check_address, shown
from mnist_exp.errors import DataError
from tests.datasets.mirror import Mirror

pytestmark = pytest.mark.external

Fetch = Callable[..., list[str]]


@pytest.fixture
def fetch(tmp_path: Path, registry: dict[str, str]) -> Fetch:
    """Download into `tmp_path/mnist` and return the messages."""

    def run(*mirrors: str, **options: Any) -> list[str]:
        messages: list[str] = []
        download(tmp_path / "mnist", mirrors, messages.append, registry, **options)
        return messages

    return run


@pytest.fixture
def refused() -> str:
    """Return an address at which no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/mnist"


def test_all_files_arrive_and_nothing_else(
    fetch: Fetch, mirror: Mirror, contents: dict[str, bytes], tmp_path: Path
):
    messages = fetch(mirror.url)
    assert len(messages) == 4
    assert {path.name for path in (tmp_path / "mnist").iterdir()} == set(NAMES)
    for name, content in contents.items():
        assert gzip.decompress((tmp_path / "mnist" / name).read_bytes()) == content


def test_a_file_that_is_there_is_not_downloaded_again(fetch: Fetch, mirror: Mirror):
    fetch(mirror.url)
    assert fetch(mirror.url) == []
    assert len(mirror.asked) == 4


def test_a_damaged_file_is_downloaded_again(fetch: Fetch, mirror: Mirror, tmp_path: Path):
    fetch(mirror.url)
    kept = tmp_path / "mnist" / TEST_IMAGES
    kept.write_bytes(kept.read_bytes()[:-9])
    assert len(fetch(mirror.url)) == 1
    assert mirror.asked[4:] == [f"/mnist/{TEST_IMAGES}"]


def test_another_compression_of_the_same_content_is_accepted(
    fetch: Fetch, mirror: Mirror, contents: dict[str, bytes]
):
    mirror.files = {name: gzip.compress(data, 1, mtime=5) for name, data in contents.items()}
    fetch(mirror.url)


def test_the_second_mirror_is_tried_when_the_first_answers_404(
    fetch: Fetch, start_mirror: Callable[[], Mirror]
):
    first, second = start_mirror(), start_mirror()
    first.files.clear()
    messages = fetch(first.url, second.url)
    assert messages[1] == f"data: {first.url}: answered 404 Not Found"
    # The other three files are requested from the second mirror at once.
    assert (len(first.asked), len(second.asked)) == (1, 4)


def test_the_second_mirror_is_tried_when_the_first_does_not_listen(
    fetch: Fetch, mirror: Mirror, refused: str
):
    messages = fetch(refused, mirror.url)
    assert messages[1] == f"data: {refused}: no connection"
    assert len(mirror.asked) == 4


def test_an_incomplete_body_is_a_failed_mirror(
    fetch: Fetch, start_mirror: Callable[[], Mirror], tmp_path: Path
):
    first, second = start_mirror(), start_mirror()
    first.cut_short.add(TRAIN_IMAGES)
    messages = fetch(first.url, second.url)
    assert messages[1] == f"data: {first.url}: the connection ended early"
    assert {path.name for path in (tmp_path / "mnist").iterdir()} == set(NAMES)


def test_wrong_content_never_gets_its_name(fetch: Fetch, mirror: Mirror, tmp_path: Path):
    mirror.files[TRAIN_IMAGES] = gzip.compress(b"another data set")
    with pytest.raises(DataError, match="checksum"):
        fetch(mirror.url)
    assert not (tmp_path / "mnist").exists()


@pytest.mark.parametrize("page", [b"<html>sign in</html>", b""])
def test_a_page_instead_of_the_file_is_wrong_content(fetch: Fetch, mirror: Mirror, page: bytes):
    mirror.files[TRAIN_IMAGES] = page
    with pytest.raises(DataError, match="damaged, or is not MNIST's"):
        fetch(mirror.url)


def test_a_silent_mirror_times_out(fetch: Fetch, start_mirror: Callable[[], Mirror]):
    first, second = start_mirror(), start_mirror()
    first.silent.set()
    messages = fetch(first.url, second.url, timeout=1)
    assert messages[1] == f"data: {first.url}: timed out"


def test_an_interrupted_download_resumes_with_the_missing_file(fetch: Fetch, mirror: Mirror):
    last = mirror.files.pop(NAMES[3])
    with pytest.raises(DataError):
        fetch(mirror.url)
    mirror.files[NAMES[3]] = last
    assert len(fetch(mirror.url)) == 1


def test_if_all_mirrors_fail_the_error_has_reasons_and_remedies(
    fetch: Fetch, mirror: Mirror, refused: str
):
    mirror.files.clear()
    with pytest.raises(DataError) as caught:
        fetch(mirror.url, refused)
    text = str(caught.value)
    assert text.startswith(f"data.url: no mirror sent a correct {TRAIN_IMAGES} (")
    assert f"{mirror.url}: answered 404 Not Found; {refused}: no connection" in text
    for remedy in ("data=sample", "data=folder data.path=", "data.url="):
        assert remedy in text
    assert "\n" not in text


def test_a_failed_download_leaves_no_empty_folder(fetch: Fetch, refused: str, tmp_path: Path):
    with pytest.raises(DataError):
        fetch(refused)
    assert list(tmp_path.iterdir()) == []


def test_a_signature_follows_the_name_and_is_never_shown(fetch: Fetch, mirror: Mirror):
    messages = fetch(f"{mirror.url.rstrip('/')}?sig=SECRET")
    assert mirror.asked[0] == f"/mnist/{TRAIN_IMAGES}?sig=SECRET"
    assert "SECRET" not in "".join(messages)
    assert shown("https://me:pw@host:8/a?sig=SECRET#x") == "https://host:8/a"


@pytest.mark.parametrize("as_address", [Path.as_uri, str])
def test_a_folder_can_be_the_mirror(
    fetch: Fetch, idx_folder: Path, as_address: Callable[[Path], str]
):
    assert len(fetch(as_address(idx_folder))) == 4


def test_a_folder_without_the_files_is_a_failed_mirror(
    fetch: Fetch, mirror: Mirror, tmp_path: Path
):
    messages = fetch(str(tmp_path), mirror.url)
    assert messages[1] == f"data: {tmp_path}: no such file or directory"


@pytest.mark.parametrize("address", ["ftp://host/mnist", "http://[::1", "http://", "htp:/x"])
def test_an_unknown_kind_of_address_is_refused(address: str):
    with pytest.raises(DataError, match=r"data\.url: must be http"):
        check_address(address)


def test_mnist_itself_has_a_checksum_for_each_file_and_three_mirrors():
    assert tuple(MNIST) == NAMES
    assert all(len(checksum) == 64 for checksum in MNIST.values())
    assert len(MIRRORS) == 3
    for address in MIRRORS:
        check_address(address)
