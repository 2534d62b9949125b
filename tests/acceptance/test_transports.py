"""beanstalkd by TLS and by a Unix socket: publish, run, and look."""

from __future__ import annotations

import shutil
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

import pulpo
from pulpo.app import Pulpo
from tests.acceptance.command_line import CommandLine
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.place import Place
from tests.lab.proxy import Proxy


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def proxy(beanstalkd_place: Place, authority: trustme.CA) -> Iterator[Proxy]:
    assert beanstalkd_place.server is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(beanstalkd_place.folder / "ca.pem"))
    with Proxy("127.0.0.1", beanstalkd_place.server.port, context=context) as proxy:
        yield proxy


def goes_round(place: Place) -> None:
    """Publish from here and from processes, run all of it, look from the command line."""
    with place.app() as app:
        app.publish_many([pulpo.Message(type="ledger.note", body={}) for _ in range(50)])
    place.published(place.produce(1, 50))
    ready = place.stats()["ready"]

    with place.worker("--burst") as worker:
        assert worker.wait() == 0

    assert ready == 100
    assert place.ledger.count("done") == 100
    assert place.waiting() == []


def test_jobs_go_through_tls(beanstalkd_place: Place, proxy: Proxy) -> None:
    folder = beanstalkd_place.folder
    url = f"beanstalkds://localhost:{proxy.port}?ca={folder}/ca.pem"

    goes_round(Place(folder, url))

    assert proxy.accepted > 3


def test_a_big_reply_through_tls_arrives_whole(beanstalkd_place: Place, proxy: Proxy) -> None:
    folder = beanstalkd_place.folder
    with Pulpo(f"beanstalkds://localhost:{proxy.port}?ca={folder}/ca.pem") as app:
        for n in range(12):
            app.publish(pulpo.Message(type="ledger.note", body={"data": chr(97 + n) * 60_000}))
    shown = CommandLine(folder, f"beanstalkds://localhost:{proxy.port}?ca={folder}/ca.pem")

    listed = shown("jobs", "list", "--json").lines

    assert [job["body"]["data"][-1] for job in listed] == list("abcdefghijkl")


@pytest.mark.parametrize(
    ("host", "ca", "why"),
    [
        ("localhost", False, "certificate verify failed"),
        ("127.0.0.1", True, "certificate is not valid for '127.0.0.1'"),
    ],
)
def test_a_server_that_cannot_prove_who_it_is_gets_nothing(
    beanstalkd_place: Place, proxy: Proxy, host: str, ca: bool, why: str
) -> None:
    folder = beanstalkd_place.folder
    url = f"beanstalkds://{host}:{proxy.port}" + (f"?ca={folder}/ca.pem" if ca else "")

    said = CommandLine(folder, url)("publish", "ledger.note")

    assert said.code == 4
    assert why in said.err
    assert len(said.err.splitlines()) == 1
    assert beanstalkd_place.waiting() == []


def test_jobs_go_through_a_unix_socket(beanstalkd_program: str, tmp_path: Path) -> None:
    # Not under tmp_path: the path of a socket may have no more than 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="pulpo-"))
    try:
        with Beanstalkd(unix=folder / "socket", binlog=tmp_path / "binlog") as server:
            goes_round(Place(tmp_path, f"beanstalkd+unix://{folder}/socket", server))
    finally:
        shutil.rmtree(folder)


def test_doctor_looks_through_tls(beanstalkd_place: Place, proxy: Proxy) -> None:
    folder = beanstalkd_place.folder
    look = CommandLine(folder, f"beanstalkds://localhost:{proxy.port}?ca={folder}/ca.pem")

    said = look("doctor", "--json")

    assert said.code == 0, said
    levels = {check["name"]: check["level"] for check in said.lines[0]["checks"]}
    assert levels["exposure"] == levels["writes"] == levels["clock"] == "ok"
    assert levels["timers"] in ("ok", "warning"), "eight more connections through the proxy"
