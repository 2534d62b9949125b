"""`pulpo servers`, `join` and `drain` as an operator uses them, with workers that go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.late_unlink import late_unlink
from tests.lab.place import Place


@pytest.fixture
def servers(beanstalkd_program: str, tmp_path: Path) -> Iterator[list[Beanstalkd]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                Beanstalkd("-f0", binlog=tmp_path / f"log-{n}", environ=late_unlink())
            )
            for n in range(3)
        ]


def url_of(*servers: Beanstalkd) -> str:
    return "beanstalkd://" + ",".join(server.host for server in servers)


def test_a_server_comes_and_another_goes_while_a_worker_and_producers_go_on(
    servers: list[Beanstalkd], tmp_path: Path
) -> None:
    first, second, third = servers
    place = Place(tmp_path, url_of(first, second))
    late = place.pulpo.put(queue="mail", delay=3_600)
    aside = place.pulpo.bury(queue="mail", errors=["ValueError: no"])

    with place.worker("--processes", "1") as worker:
        producers = place.produce(2, 400, "--pause=0.01")
        place.wait_for("done", 100)
        joined = place.pulpo("join", third.host)
        place.wait_for("done", 300)
        drained = place.pulpo("drain", first.host)
        place.published(producers)
        place.wait_until_all_done()
        assert worker.stop() == 0

    assert (joined.code, joined.err) == (0, f"{third.host} takes part\n")
    assert drained.code == 0, drained.err
    assert drained.err.endswith("is empty and takes no part any more\n")
    account = place.account(kept=[job["id"] for job in place.waiting()])
    assert account.complaints() == []
    assert place.show(late)["state"] == "delayed"
    assert place.show(aside)["state"] == "buried"
    only = CommandLine(tmp_path, first.url)("stats", "--json").lines[0]["queues"]
    assert not any(row[state] for name, row in only.items() if name != "pulpo.roster"
                   for state in ("ready", "delayed", "reserved", "buried"))  # fmt: skip
    listed = place.pulpo("servers", "--json").lines
    assert [look["name"] for look in listed] == [second.host, third.host]
    place.ledger.close()


def test_servers_and_stats_show_each_server_and_the_sum(
    servers: list[Beanstalkd], tmp_path: Path
) -> None:
    pulpo = CommandLine(tmp_path, url_of(*servers))
    for _ in range(6):
        pulpo.put(queue="mail")
    servers[2].kill()

    shown, told = pulpo("servers"), pulpo("stats", "--json").lines[0]

    lines = [line.split() for line in shown.out.splitlines()]
    assert lines[0] == ["server", "standing", "ready", "delayed", "reserved", "buried"]
    assert sorted(line[0] for line in lines[1:]) == sorted(server.host for server in servers)
    assert lines[-1][:6] == [servers[2].host, "in", "?", "?", "?", "?"]
    own = [each["queues"].get("mail", {"ready": 0}) for each in told["servers"].values()]
    assert told["queues"]["mail"]["ready"] == sum(each["ready"] for each in own)


def test_the_last_server_is_not_drained_and_a_wrong_one_is_named(
    servers: list[Beanstalkd], tmp_path: Path
) -> None:
    pulpo = CommandLine(tmp_path, url_of(servers[0], servers[1]))
    assert pulpo("drain", servers[0].host).code == 0

    last = pulpo("drain", servers[1].host)
    absent = pulpo("drain", "127.0.0.1:1")
    single = CommandLine(tmp_path, servers[0].url)("drain", servers[0].host)

    assert (last.code, last.err) == (
        5,
        f"pulpo: {servers[1].host} is the last one that takes jobs\n",
    )
    assert absent.code == 4
    assert (single.code, "several servers" in single.err) == (2, True)
