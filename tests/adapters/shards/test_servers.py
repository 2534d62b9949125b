"""Several beanstalkds as one queue: who gets what, who is left out, and who comes and goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing

import greenstalk
import pytest

from pulpo.adapter import Glimpsing, QueueAdapter
from pulpo.adapters import open_engine
from pulpo.adapters.beanstalkd import BeanstalkdEngine
from pulpo.adapters.beanstalkd.own_tubes import ROSTER
from pulpo.adapters.shards import ShardedEngine
from pulpo.adapters.shards.membership import REFRESH
from pulpo.adapters.shards.roster import Roster, Standing
from pulpo.clock import SystemClock
from pulpo.codec import Codec
from pulpo.composed import Composed
from pulpo.errors import QueueDrainingError, QueueError, QueueUnavailableError, UsageError
from pulpo.identity import new_id
from pulpo.job import Job, JobState, NewJob, Settlement, Verb
from pulpo.queue_url import QueueURL
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.processes import until

LATER = REFRESH + 0.1


class Ahead(SystemClock):
    """The system's clock, some seconds ahead of it."""

    seconds = 0.0

    def monotonic(self) -> float:  # type: ignore[override]  # a function there
        return SystemClock.monotonic() + self.seconds


@pytest.fixture
def clock() -> Ahead:
    return Ahead()


@pytest.fixture
def servers(beanstalkd_program: str) -> Iterator[list[Beanstalkd]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Beanstalkd()) for _ in range(3)]


@pytest.fixture
def opened() -> Iterator[Callable[[QueueAdapter], QueueAdapter]]:
    with ExitStack() as stack:

        def closed_later(adapter: QueueAdapter) -> QueueAdapter:
            stack.callback(adapter.close)
            return adapter

        yield closed_later


@pytest.fixture
def engine(servers: list[Beanstalkd], clock: Ahead) -> ShardedEngine:
    return sharded(servers, clock)


@pytest.fixture
def adapter(engine: ShardedEngine, opened: Callable[[QueueAdapter], QueueAdapter]) -> QueueAdapter:
    return opened(engine.adapter())


def sharded(servers: Sequence[Beanstalkd], clock: Ahead) -> ShardedEngine:
    url = "beanstalkd://" + ",".join(server.host for server in servers)
    return ShardedEngine(QueueURL.parse(url), clock=clock)


def job(priority: int = 65_536, **fields: object) -> NewJob:
    job_id = new_id()
    body = Codec().encode({"type": "t", "id": job_id, "priority": priority}, None)
    usual = {"id": job_id, "type": "t", "queue": "q", "body": body, "priority": priority}
    return NewJob(**{**usual, **fields})  # type: ignore[arg-type]


def counts(servers: Sequence[Beanstalkd], queue: str = "q") -> list[int]:
    found = []
    for server in servers:
        admin = BeanstalkdEngine(QueueURL.parse(server.url), clock=SystemClock()).admin()
        found.append(admin.stats(queue).ready)
        admin.close()
    return found


def ids(jobs: Sequence[Job]) -> list[object]:
    return [Codec().decode(each.body).id for each in jobs]


def priorities(jobs: Sequence[Job]) -> list[int]:
    return [Codec().decode(each.body).priority for each in jobs]


def drained(adapter: QueueAdapter) -> list[object]:
    found: list[object] = []
    while True:
        _, jobs = adapter.exchange([], ["q"], limit=10, timeout=0.0)
        if not jobs:
            return found
        found += ids(jobs)
        done = [Settlement(Verb.DELETE, each) for each in jobs]
        assert adapter.exchange(done, [], limit=0, timeout=0.0)[0] == [True] * len(jobs)


def test_jobs_are_spread_evenly_in_batches_and_one_by_one(
    adapter: QueueAdapter, servers: list[Beanstalkd]
) -> None:
    adapter.put([job() for _ in range(300)])
    for _ in range(30):
        adapter.put([job()])

    assert counts(servers) == [110, 110, 110]


def test_the_most_urgent_jobs_of_all_servers_come_first(
    adapter: QueueAdapter, servers: list[Beanstalkd], opened: Callable[[QueueAdapter], QueueAdapter]
) -> None:
    urgent = [job(priority=1) for _ in range(40)]
    alone = opened(BeanstalkdEngine(QueueURL.parse(servers[2].url), clock=SystemClock()).adapter())
    adapter.put([job(priority=9) for _ in range(90)])
    alone.put(urgent)

    found = drained(adapter)

    assert len(found) == 130
    assert set(found[:40]) == {each.id for each in urgent}


def test_a_waiting_exchange_is_served_by_whichever_server_has_a_job_first(
    adapter: QueueAdapter, servers: list[Beanstalkd], opened: Callable[[QueueAdapter], QueueAdapter]
) -> None:
    for server in servers:
        alone = opened(BeanstalkdEngine(QueueURL.parse(server.url), clock=SystemClock()).adapter())
        new = job()
        timer = threading.Timer(0.1, alone.put, [[new]])
        timer.start()

        _, jobs = adapter.exchange([], ["q"], limit=1, timeout=10.0)

        timer.join()
        assert ids(jobs) == [new.id]
        adapter.exchange([Settlement(Verb.DELETE, jobs[0])], [], limit=0, timeout=0.0)


def test_nobody_waits_for_what_a_server_had_that_takes_no_part_any_more(
    engine: ShardedEngine,
    adapter: QueueAdapter,
    servers: list[Beanstalkd],
    clock: Ahead,
    opened: Callable[[QueueAdapter], QueueAdapter],
) -> None:
    gone, stays = (
        opened(BeanstalkdEngine(QueueURL.parse(server.url), clock=SystemClock()).adapter())
        for server in servers[:2]
    )
    gone.put([job(priority=100), job(priority=100)])
    stays.put([job(priority=10), job(priority=10)])
    _, first = adapter.exchange([], ["q"], limit=1, timeout=0.0)
    assert priorities(first) == [10]
    _, left = gone.exchange([], ["q"], limit=9, timeout=0.0)
    gone.exchange([Settlement(Verb.DELETE, each) for each in left], [], limit=0, timeout=0.0)
    engine.enroll(engine.names[0], Standing.OUT)
    stays.put([job(priority=200) for _ in range(2)])
    clock.seconds += LATER

    got = [adapter.exchange([], ["q"], limit=1, timeout=0.0)[1] for _ in range(4)]

    assert [priorities(jobs) for jobs in got if jobs] == [[10], [200], [200]]


def test_a_dead_server_is_left_out_and_asked_again(
    adapter: QueueAdapter, servers: list[Beanstalkd], clock: Ahead
) -> None:
    adapter.put([job() for _ in range(3)])
    servers[0].kill()
    clock.seconds += 1  # so that the connection is looked at before it is used

    told = adapter.put([job() for _ in range(30)])
    _, jobs = adapter.exchange([], ["q"], limit=100, timeout=0.0)

    assert not [each for each in told if isinstance(each, QueueError)]
    assert jobs
    servers[0].start()
    clock.seconds += 60
    adapter.put([job() for _ in range(30)])
    assert counts(servers[:1])[0] == 10


def test_a_settlement_at_a_dead_server_is_open_and_the_others_are_done(
    adapter: QueueAdapter, servers: list[Beanstalkd]
) -> None:
    adapter.put([job() for _ in range(3)])
    jobs: list[Job] = []
    while len(jobs) < 3:
        jobs += adapter.exchange([], ["q"], limit=3, timeout=0.0)[1]
    servers[0].kill()

    answers, _ = adapter.exchange(
        [Settlement(Verb.DELETE, each) for each in jobs], [], limit=0, timeout=0.0
    )
    touched = adapter.touch(jobs)

    assert sum(answer is True for answer in answers) == 2
    assert sum(isinstance(answer, QueueError) for answer in answers) == 1
    assert sum(isinstance(answer, QueueUnavailableError) for answer in touched) == 1


def test_with_every_server_dead_nothing_is_sent_and_that_is_said(
    adapter: QueueAdapter, servers: list[Beanstalkd]
) -> None:
    for server in servers:
        server.kill()

    with pytest.raises(QueueUnavailableError, match=servers[1].host):
        adapter.put([job()])
    with pytest.raises(QueueUnavailableError):
        adapter.exchange([], ["q"], limit=1, timeout=0.0)


def test_a_server_that_drains_by_itself_takes_no_jobs_and_the_others_do(
    adapter: QueueAdapter, servers: list[Beanstalkd]
) -> None:
    adapter.put([job()])
    servers[0].drain()
    until(lambda: refuses(servers[0]), "a server that drains")
    before = counts(servers)

    told = adapter.put([job() for _ in range(30)])

    assert not [each for each in told if isinstance(each, QueueError)]
    assert counts(servers)[0] == before[0]


def refuses(server: Beanstalkd) -> bool:
    adapter = BeanstalkdEngine(QueueURL.parse(server.url), clock=SystemClock()).adapter()
    (told,) = adapter.put([job(queue="other")])
    adapter.close()
    return isinstance(told, QueueDrainingError)


# Coming and going


def test_a_server_that_joins_takes_part_for_those_who_run_already(
    servers: list[Beanstalkd], clock: Ahead, opened: Callable[[QueueAdapter], QueueAdapter]
) -> None:
    engine = sharded(servers[:2], clock)
    running = opened(engine.adapter())
    running.put([job()])
    running.exchange([], ["none"], limit=1, timeout=0.0)

    assert engine.enroll(servers[2].host, Standing.IN) == []
    clock.seconds += LATER
    running.put([job() for _ in range(30)])

    assert counts(servers[2:]) == [10]
    assert len(drained(running)) == 31


def test_a_draining_server_gets_no_jobs_and_is_worked_off(
    engine: ShardedEngine, adapter: QueueAdapter, servers: list[Beanstalkd], clock: Ahead
) -> None:
    adapter.put([job() for _ in range(30)])

    engine.enroll(servers[1].host, Standing.DRAINING)
    clock.seconds += LATER
    adapter.put([job() for _ in range(30)])

    assert counts(servers) == [25, 10, 25]
    assert len(drained(adapter)) == 60


def test_a_server_that_is_out_is_left_alone_also_where_a_url_names_it(
    engine: ShardedEngine,
    servers: list[Beanstalkd],
    opened: Callable[[QueueAdapter], QueueAdapter],
) -> None:
    engine.enroll(servers[1].host, Standing.OUT)
    servers[1].kill()

    late = opened(engine.adapter())
    late.put([job() for _ in range(30)])

    assert counts([servers[0], servers[2]]) == [15, 15]
    admin = engine.admin()
    assert isinstance(admin, Composed)
    assert [look.name for look in admin.servers()] == [servers[0].host, servers[2].host]
    admin.close()


def test_the_roster_is_one_job_on_each_server_and_no_queue_to_anybody(
    engine: ShardedEngine, servers: list[Beanstalkd]
) -> None:
    for standing in (Standing.DRAINING, Standing.IN, Standing.DRAINING):
        engine.enroll(servers[1].host, standing)

    assert counts(servers, ROSTER) == [1, 1, 1]
    admin = engine.admin()
    assert list(admin.queues()) == ["default"]
    assert [job for page in admin.walk() for job in page.jobs] == []
    assert list(admin.list()) == list(admin.newest()) == []
    admin.close()


def test_a_dead_server_is_told_by_the_next_who_tells_something(
    engine: ShardedEngine, servers: list[Beanstalkd]
) -> None:
    servers[0].kill()

    assert engine.enroll(servers[1].host, Standing.DRAINING) == [servers[0].host]

    servers[0].start()
    assert engine.enroll(servers[1].host, Standing.IN) == []
    assert counts(servers, ROSTER) == [1, 1, 1]


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"body": {"version": "x"}}', b'{"body": {"version": 1, "servers": 3}}']
)
def test_a_roster_that_makes_no_sense_says_nothing(data: bytes) -> None:
    assert Roster.decode(data) is None


def test_a_roster_survives_its_bytes() -> None:
    roster = Roster().changed("c:1", Standing.DRAINING, known=["a:1", "b:1"])

    assert Roster.decode(roster.encode()) == roster
    assert roster.standing("a:1") is Standing.IN
    assert roster.standing("new:1") is Standing.IN


# The operator


def test_an_operator_finds_a_job_on_any_server_and_acts_on_it(
    engine: ShardedEngine, adapter: QueueAdapter
) -> None:
    new = [job() for _ in range(9)]
    adapter.put(new)
    admin = engine.admin()

    found = admin.peek([each.id for each in new])
    deleted = admin.delete([new[0].id, "nobody", new[8].id, new[0].id])

    assert [each.id for each in found if each] == [each.id for each in new]
    assert len({each.number for each in found if each}) == 9
    assert list(deleted) == [True, False, True, False]
    assert admin.stats("q").ready == 7
    admin.close()


def test_with_a_server_out_of_reach_nobody_says_that_a_job_does_not_exist(
    engine: ShardedEngine, adapter: QueueAdapter, servers: list[Beanstalkd]
) -> None:
    new = [job() for _ in range(3)]
    adapter.put(new)
    servers[0].kill()
    admin = engine.admin()

    assert admin.stats("q").ready == 2
    with pytest.raises(QueueUnavailableError, match=servers[0].host):
        admin.peek([each.id for each in new])
    assert isinstance(admin, Composed)
    looks = {look.name: look.why for look in admin.servers()}
    assert looks[servers[1].host] is None
    assert looks[servers[0].host]
    admin.close()


def test_foreign_jobs_of_two_servers_are_told_apart(
    engine: ShardedEngine, servers: list[Beanstalkd], opened: Callable[[QueueAdapter], QueueAdapter]
) -> None:
    for server in servers[:2]:
        alone = opened(BeanstalkdEngine(QueueURL.parse(server.url), clock=SystemClock()).adapter())
        alone.put([job(body=b'{"type": "t", "body": "%s"}' % server.host.encode())])
    admin = engine.admin()

    listed = admin.list("q")
    seen = admin.peek([each.id for each in listed])

    assert len({each.id for each in listed}) == 2
    assert [each.body for each in seen if each] == [each.body for each in listed]
    admin.close()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("beanstalkd://a,,b", "no name"),
        ("beanstalkd://a,a:11300", "twice"),
        ("beanstalkd://user:pw@a,b", "no users"),
        ("beanstalkd://a,b?nothing=1", "nothing"),
        ("beanstalkd://a,b/path", "of this kind"),
        ("beanstalkd://a,b:x", "not a queue's URL"),
        ("beanstalkd://" + ",".join(f"s{n}" for n in range(65)), "up to 64"),
    ],
)
def test_an_impossible_url_says_what_is_wrong(url: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        open_engine(url)


def peeks(servers: Sequence[Beanstalkd]) -> int:
    """Return how often a job was looked at by its number, on all servers."""
    found = 0
    for server in servers:
        with closing(greenstalk.Client(("127.0.0.1", server.port))) as client:
            found += int(client.stats()["cmd-peek"])
    return found


def test_a_job_that_was_put_aside_is_found_on_its_server_without_a_search_on_the_others(
    engine: ShardedEngine, adapter: QueueAdapter, servers: list[Beanstalkd]
) -> None:
    adapter.put([job() for _ in range(1_000)])
    taken: list[Job] = []
    while len(taken) < 9:
        taken += adapter.exchange([], ["q"], limit=9 - len(taken), timeout=0.0)[1]
    later = [
        NewJob(id=str(each), type="t", queue="q", body=one.body, delay=60.0)
        for one, each in zip(taken, ids(taken), strict=True)
    ]
    aside = [Settlement(Verb.REPLACE, one, new) for one, new in zip(taken, later, strict=True)]
    assert adapter.exchange(aside, [], limit=0, timeout=0.0)[0] == [True] * 9

    with closing(engine.admin()) as admin:
        assert isinstance(admin, Glimpsing)
        before = peeks(servers)
        found = [admin.spot(new.id, numbers=200) for new in later]

        assert [seen and seen.id for seen, _ in found] == [new.id for new in later]
        assert {seen and seen.state for seen, _ in found} == {JobState.DELAYED}
        assert peeks(servers) - before == 9
        assert admin.spot(new_id(), numbers=200)[0] is None
