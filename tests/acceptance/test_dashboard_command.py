"""`pulpo dashboard` as an operator starts it: what it prints, when it refuses, how it ends."""

from __future__ import annotations

import re
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine
from tests.dashboard.browser.served import Served

OWN = "a-long-secret-of-the-operator"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/queue.db"


def status(address: str, **headers: str) -> int:
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_the_printed_address_opens_it_and_no_start_is_like_another(
    url: str, tmp_path: Path
) -> None:
    with Served(url, tmp_path) as first, Served(url, tmp_path) as second:
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

        with opener.open(first.address, timeout=10) as answer:
            assert answer.url == f"{first.root}/"
            assert b"Overview" in answer.read()
        tokens = {served.address.partition("token=")[2] for served in (first, second)}
        assert len(tokens) == 2
        assert min(map(len, tokens)) >= 32
        assert status(first.root) == 401


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_to(url: str, tmp_path: Path, number: signal.Signals) -> None:
    with Served(url, tmp_path) as served:
        assert status(f"{served.root}/robots.txt") == 200

        assert served.stop(number) == 0
        assert served.said == ""


def test_a_token_of_ones_own_is_printed_nowhere(url: str, tmp_path: Path) -> None:
    with Served(url, tmp_path, PULPO_DASHBOARD_TOKEN=OWN) as served:
        assert served.address == f"{served.root}/"
        assert status(f"{served.root}/jobs", Authorization=f"Bearer {OWN}") == 200
        assert status(f"{served.root}/jobs", Authorization="Bearer wrong") == 401
        assert status(f"{served.root}/?token={OWN}wrong") == 401

        assert served.stop() == 0
        assert OWN not in served.said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "jobs.example"])
def test_the_network_is_let_in_only_with_a_token_of_ones_own(
    url: str, tmp_path: Path, host: str
) -> None:
    said = CommandLine(tmp_path, url)("dashboard", "--host", host, "--port", "0")

    assert said.code == 2
    assert "PULPO_DASHBOARD_TOKEN" in said.err
    assert said.out == ""


def test_with_a_token_of_ones_own_it_listens_to_the_network(url: str, tmp_path: Path) -> None:
    with Served(url, tmp_path, "--host", "0.0.0.0", PULPO_DASHBOARD_TOKEN=OWN) as served:
        address, bearer = f"http://127.0.0.1:{served.port}/jobs", f"Bearer {OWN}"

        assert status(address, Authorization=bearer) == 200
        assert status(address, Authorization=bearer, Host="10.0.0.1") == 200
        assert status(address, Authorization=bearer, Host="evil.test") == 421


def test_every_act_is_told_on_stderr(url: str, tmp_path: Path) -> None:
    job = CommandLine(tmp_path, url).bury()
    with Served(url, tmp_path, PULPO_DASHBOARD_TOKEN=OWN) as served:
        bearer = {"Authorization": f"Bearer {OWN}"}
        request = urllib.request.Request(f"{served.root}/jobs/{job}", headers=bearer)
        with urllib.request.urlopen(request, timeout=10) as answer:
            mark = re.findall(r'name="csrf" value="(\w+)"', answer.read().decode())[0]
        form = f"csrf={mark}&back=/".encode()
        request = urllib.request.Request(f"{served.root}/jobs/{job}/kick", form, headers=bearer)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.url.startswith(f"{served.root}/?said=kicked")

        assert served.stop() == 0
        assert served.said.strip().endswith(f"kick job {job!r}: done")
        assert OWN not in served.said


def test_a_name_may_be_allowed(url: str, tmp_path: Path) -> None:
    with Served(url, tmp_path, "--allowed-host", "jobs.example") as served:
        assert status(served.root, Host="jobs.example") == 401
        assert status(served.root, Host="evil.test") == 421


def test_a_port_that_is_taken_is_said(url: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        said = CommandLine(tmp_path, url)("dashboard", "--port", port)

    assert said.code == 2
    assert "choose another --port" in said.err


def test_a_queue_that_only_its_process_sees_is_refused(tmp_path: Path) -> None:
    assert CommandLine(tmp_path, "memory://")("dashboard").code == 5


def test_modules_tell_which_types_there_are(url: str, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "import pulpo\n\n@pulpo.job(type='shop.order')\ndef order(): ...\n"
    )
    with Served(url, tmp_path, "shop", PULPO_DASHBOARD_TOKEN=OWN) as served:
        request = urllib.request.Request(
            f"{served.root}/types", headers={"Authorization": f"Bearer {OWN}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert b"shop.order" in answer.read()


def test_a_module_that_is_not_there_is_said(url: str, tmp_path: Path) -> None:
    said = CommandLine(tmp_path, url)("dashboard", "shoop")

    assert said.code == 2
    assert "no module 'shoop'" in said.err


def test_without_its_extra_it_says_what_to_install(url: str, tmp_path: Path) -> None:
    (tmp_path / "jinja2.py").write_text("raise ImportError('not here')\n")
    said = CommandLine(tmp_path, url)("dashboard", PYTHONPATH=str(tmp_path))

    assert said.code == 1
    assert "pulpo-messaging[dashboard]" in said.err
