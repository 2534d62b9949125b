"""What goes over the line when a reserved job is settled, and when the server will not have it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import pytest

from pulpo.adapters.beanstalkd import BeanstalkdEngine
from pulpo.adapters.beanstalkd.adapter import BeanstalkdAdapter
from pulpo.clock import SystemClock
from pulpo.errors import QueueError, QueueFullError
from pulpo.job import Job, NewJob, Settlement, Verb
from pulpo.queue_url import QueueURL
from tests.adapters.beanstalkd.scripted import ScriptedServer

OLD, COPY = 5, 6
COPIED = NewJob(id="one", type="t", queue="default", body=b"rewritten", priority=9, delay=3.0)


class Script:
    """Answers by the verb of a command; the first reserve gets the one job that there is.

    An answer of b"" ends the connection, as a cut line does.
    """

    def __init__(self, **answers: bytes) -> None:
        self.answers: dict[str, bytes] = {
            "put": b"INSERTED %d\r\n" % COPY,
            "delete": b"DELETED\r\n",
            "release": b"RELEASED\r\n",
            "bury": b"BURIED\r\n",
            "touch": b"TOUCHED\r\n",
            "stats-job": b"OK 12\r\n---\npri: 77\n\r\n",
            **{name.replace("_", "-"): answer for name, answer in answers.items()},
        }
        self.given = False

    def __call__(self, _: int, command: bytes) -> bytes:
        verb = command.split()[0].decode()
        if verb == "reserve-with-timeout":
            first, self.given = not self.given, True
            return b"RESERVED %d 3\r\nold\r\n" % OLD if first else b"TIMED_OUT\r\n"
        if verb == "reserve-job" and verb not in self.answers:
            number = int(command.split()[1])
            return b"RESERVED %d 3\r\n%b\r\n" % (number, b"old" if number == OLD else b"new")
        return self.answers[verb]


@contextlib.contextmanager
def holding(script: Script) -> Iterator[tuple[ScriptedServer, BeanstalkdAdapter, Job]]:
    """Give a server, a door to it, and the job that is held there."""
    with ScriptedServer(script) as server:
        engine = BeanstalkdEngine(QueueURL.parse(server.url), clock=SystemClock())
        with contextlib.closing(engine.adapter()) as adapter:
            assert isinstance(adapter, BeanstalkdAdapter)
            _, (job,) = adapter.exchange([], ["default"], limit=1, timeout=0)
            server.commands.clear()
            yield server, adapter, job


def settle(adapter: BeanstalkdAdapter, job: Job, verb: Verb) -> bool | QueueError:
    copy = COPIED if verb in (Verb.REPLACE, Verb.BURY) else None
    (answer,), _ = adapter.exchange([Settlement(verb, job, copy)], [], limit=0, timeout=0)
    return answer


def said(server: ScriptedServer) -> list[bytes]:
    """Return the commands, each without its line ends and without a body."""
    return [command.split(b"\r\n")[0] for _, command in server.commands]


PUTS = {Verb.REPLACE: b"put 9 3 60 9", Verb.BURY: b"put 9 600 60 9"}


def test_a_job_is_deleted_only_when_its_copy_is_there() -> None:
    with holding(Script()) as (server, adapter, job):
        assert settle(adapter, job, Verb.REPLACE) is True
        assert said(server) == [PUTS[Verb.REPLACE], b"delete 5"]


def test_a_job_is_buried_as_a_copy_that_nobody_can_reserve_in_between() -> None:
    with holding(Script()) as (server, adapter, job):
        assert settle(adapter, job, Verb.BURY) is True
        assert said(server) == [PUTS[Verb.BURY], b"reserve-job 6", b"bury 6 9", b"delete 5"]


REFUSED: Mapping[tuple[bytes, Verb], bytes] = {
    (b"JOB_TOO_BIG\r\n", Verb.REPLACE): b"release 5 9 3",
    (b"JOB_TOO_BIG\r\n", Verb.BURY): b"bury 5 9",
    (b"DRAINING\r\n", Verb.REPLACE): b"release 5 9 3",
    (b"DRAINING\r\n", Verb.BURY): b"bury 5 9",
}


@pytest.mark.parametrize(("refusal", "verb"), REFUSED)
def test_a_job_whose_copy_is_refused_is_not_deleted(refusal: bytes, verb: Verb) -> None:
    with holding(Script(put=refusal)) as (server, adapter, job):
        assert settle(adapter, job, verb) is True
        assert said(server)[1:] == [REFUSED[refusal, verb]]


# Everything that writes would be refused too, and leave the job with nobody; a plain release would
# bring it first again.
@pytest.mark.parametrize("refusal", [b"OUT_OF_MEMORY\r\n", b"INTERNAL_ERROR\r\n"])
@pytest.mark.parametrize("verb", [Verb.REPLACE, Verb.BURY])
def test_a_job_whose_copy_finds_no_room_stays_ours_until_there_is(
    refusal: bytes, verb: Verb
) -> None:
    script = Script(put=refusal)
    with holding(script) as (server, adapter, job):
        assert isinstance(settle(adapter, job, verb), QueueFullError)
        assert list(adapter.touch([job])) == [True]
        assert said(server) == [PUTS[verb], b"touch 5"]

        script.answers["put"] = b"INSERTED 6\r\n"
        assert settle(adapter, job, verb) is True
        assert said(server)[-1] == b"delete 5"


def test_a_job_whose_copy_finds_no_room_can_be_handed_back() -> None:
    with holding(Script(put=b"OUT_OF_MEMORY\r\n")) as (server, adapter, job):
        settle(adapter, job, Verb.REPLACE)

        assert settle(adapter, job, Verb.RELEASE) is True
        assert said(server)[-1] == b"release 5 77 0"


def test_where_there_is_no_room_other_jobs_are_reserved_all_the_same() -> None:
    with holding(Script(put=b"OUT_OF_MEMORY\r\n")) as (server, adapter, job):
        settlement = Settlement(Verb.REPLACE, job, COPIED)

        adapter.exchange([settlement], ["default"], limit=8, timeout=0)

        assert b"reserve-with-timeout 0" in said(server)


@pytest.mark.parametrize("verb", [Verb.REPLACE, Verb.BURY])
def test_the_copy_of_a_job_whose_lease_was_lost_is_taken_away(verb: Verb) -> None:
    script = Script(delete=b"NOT_FOUND\r\n")
    with holding(script) as (server, adapter, job):
        assert settle(adapter, job, verb) is False
        assert said(server)[-2:] == [b"delete 5", b"delete 6"]


@pytest.mark.parametrize("verb", [Verb.REPLACE, Verb.BURY])
def test_a_job_whose_copy_is_in_doubt_stays(verb: Verb) -> None:
    script = Script(put=b"")
    with holding(script) as (server, adapter, job):
        answer = settle(adapter, job, verb)

        assert isinstance(answer, QueueError)
        assert [line for line in said(server) if not line.startswith(b"put ")] == []

        # The line is new: what runs here is taken back, and its settlement is offered again.
        script.answers["put"] = b"INSERTED 6\r\n"
        server.commands.clear()
        assert settle(adapter, job, verb) is True
        assert said(server)[:2] == [b"reserve-job 5", PUTS[verb]]
        assert said(server)[-1] == b"delete 5"


@pytest.mark.parametrize(
    ("peeked", "deleted"), [(b"NOT_FOUND\r\n", True), (b"FOUND 5 3\r\nold\r\n", False)]
)
def test_a_delete_whose_answer_was_lost_is_looked_up_and_not_guessed(
    peeked: bytes, deleted: bool
) -> None:
    script = Script(delete=b"", reserve_job=b"NOT_FOUND\r\n", peek=peeked)
    with holding(script) as (server, adapter, job):
        assert isinstance(settle(adapter, job, Verb.DELETE), QueueError)

        answer = settle(adapter, job, Verb.DELETE)

        assert answer is deleted
        assert said(server) == [b"delete 5", b"reserve-job 5", b"peek 5"]


def test_a_number_that_names_another_job_by_now_is_given_back_and_never_settled() -> None:
    script = Script(
        delete=b"",
        reserve_job=b"RESERVED 5 8\r\nsomebody\r\n",
        peek=b"FOUND 5 8\r\nsomebody\r\n",
    )
    with holding(script) as (server, adapter, job):
        settle(adapter, job, Verb.DELETE)
        script.answers["delete"] = b"DELETED\r\n"
        server.commands.clear()

        settle(adapter, job, Verb.DELETE)

        assert b"release 5 77 0" in said(server)
        assert b"delete 5" not in said(server)
