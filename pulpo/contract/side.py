"""What every side store does: facts with an end, compare-and-set, counters, all at once or nothing.

class TestMySide(SideContract):
    @pytest.fixture
    def engine(self, tmp_path, clock):
        return MyEngine(QueueURL.parse(f"mine:///{tmp_path}/queue"), clock=clock)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from pulpo.adapter import Engine
from pulpo.clock import ManualClock
from pulpo.errors import QueueUnavailableError, UsageError
from pulpo.side import (
    ABSENT,
    MOST_VALUE_BYTES,
    Addition,
    KeepsSide,
    Removal,
    SideStore,
    Write,
    Written,
    side_of,
)

__all__ = ["SideContract"]

Doors = Callable[[], SideStore]
SPACE = "contract"


def fact(key: str, value: bytes = b"v", *, lasts: float | None = 60.0) -> Write:
    """Return the write of a fact, whatever is there."""
    return Write(space=SPACE, key=key, value=value, lasts=lasts)


def guarded(key: str, value: bytes, expected: int, *, lasts: float | None = 60.0) -> Write:
    """Return the write of a fact that must have a version."""
    return Write(space=SPACE, key=key, value=value, lasts=lasts, expected=expected)


def count(key: str, lasts: float | None = 60.0, **amounts: float) -> Addition:
    """Return an addition to numbers."""
    return Addition(space=SPACE, key=key, amounts=amounts, lasts=lasts)


def values(store: SideStore, *keys: str) -> list[bytes | None]:
    """Return the values of facts."""
    found = store.read(SPACE, keys)
    return [None if seen is None else seen.value for seen in found]


def version(written: Written) -> int:
    """Return the version of the fact that is there."""
    assert written.fact is not None
    return written.fact.version


class _Stage:
    """What the tests of a store stand on."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Return the clock that the engine lives by."""
        return ManualClock()

    @pytest.fixture
    def engine(self) -> Engine:
        """Return a fresh engine; each subclass has its own."""
        raise TypeError(f"{type(self).__name__} needs a fixture `engine`")

    @pytest.fixture
    def door(self, engine: Engine) -> Iterator[Doors]:
        """Return a way to open the engine's store, once more each time."""
        with ExitStack() as ends:

            def open_one() -> SideStore:
                store = side_of(engine)
                assert store is not None
                ends.callback(store.close)
                return store

            yield open_one

    @pytest.fixture
    def store(self, door: Doors) -> SideStore:
        """Return one open store."""
        return door()


class FactContract(_Stage):
    """Facts are written, read, end and are removed."""

    # Writing and reading

    def test_an_engine_says_that_it_keeps_facts(self, engine: Engine) -> None:
        assert isinstance(engine, KeepsSide)

    def test_what_is_written_is_read_by_others(self, store: SideStore, door: Doors) -> None:
        store.write([fact("a", b"\x00\xff"), fact("b", b"")])

        assert values(door(), "b", "nobody", "a") == [b"", None, b"\x00\xff"]

    def test_a_fact_is_known_by_space_and_key(self, store: SideStore) -> None:
        store.write([fact("a"), Write(space="other", key="a", value=b"o", lasts=None)])

        (found,) = store.read("other", ["a"])

        assert found is not None
        assert (found.space, found.key, found.value, dict(found.amounts)) == (
            "other",
            "a",
            b"o",
            {},
        )
        assert values(store, "a") == [b"v"]

    def test_the_last_of_several_writes_counts(self, store: SideStore) -> None:
        store.write([fact("a", b"1"), fact("a", b"2")])

        assert values(store, "a") == [b"2"]

    def test_a_scan_is_in_the_order_of_keys_and_within_its_bounds(self, store: SideStore) -> None:
        keys = ["b", "a", "é", "c/1", "c", "Z", "𝄞", "\uff5e"]
        store.write([fact(key) for key in keys])

        def scanned(first: str = "", before: str | None = None, limit: int | None = None) -> str:
            found = store.scan(SPACE, first=first, before=before, limit=limit)
            return " ".join(seen.key for seen in found)

        assert scanned() == "Z a b c c/1 é \uff5e 𝄞"
        assert scanned(first="b", before="c/1") == "b c"
        assert scanned(first="b", limit=2) == "b c"
        assert scanned(limit=0) == ""
        assert store.scan("nobody") == []

    def test_nothing_to_do_is_done(self, store: SideStore) -> None:
        store.add([])

        assert [*store.write([]), *store.remove([]), *store.read(SPACE, [])] == []

    def test_a_large_value_is_kept_whole_and_a_larger_one_refused(self, store: SideStore) -> None:
        large = b"x" * MOST_VALUE_BYTES
        store.write([fact("a", large)])

        assert values(store, "a") == [large]
        with pytest.raises(UsageError):
            store.write([fact("a", large + b"x")])

    # Ends

    def test_a_fact_ends_by_itself(self, store: SideStore, clock: ManualClock) -> None:
        store.write([fact("a", lasts=10.0), fact("b", lasts=None)])
        clock.advance(9.5)
        (a, b) = store.read(SPACE, ["a", "b"])
        assert a is not None
        assert b is not None
        assert a.left == pytest.approx(0.5)
        assert b.left is None
        clock.advance(0.5)

        assert values(store, "a", "b") == [None, b"v"]
        assert [seen.key for seen in store.scan(SPACE)] == ["b"]

    def test_a_new_write_is_a_new_end(self, store: SideStore, clock: ManualClock) -> None:
        store.write([fact("a", lasts=10.0)])
        clock.advance(9.0)
        store.write([fact("a", lasts=10.0)])
        clock.advance(9.0)

        assert values(store, "a") == [b"v"]

    def test_what_has_ended_is_cleared_away(self, store: SideStore, clock: ManualClock) -> None:
        for number in range(3):
            store.write([fact(f"old-{number}", lasts=5.0)])
            clock.advance(100.0)
        store.write([fact("new")])

        assert [seen.key for seen in store.scan(SPACE)] == ["new"]

    @pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
    def test_a_wall_clock_that_is_set_moves_no_end(
        self, store: SideStore, clock: ManualClock, step: float
    ) -> None:
        store.write([fact("a", lasts=10.0)])
        clock.jump(step)
        assert values(store, "a") == [b"v"]
        clock.advance(11.0)

        assert values(store, "a") == [None]

    # Wrong calls

    @pytest.mark.parametrize(
        "wrong",
        [
            fact(""),
            fact("a\n"),
            fact("k" * 501),
            fact("\ud800"),
            fact("a", lasts=0.0),
            fact("a", lasts=float("nan")),
            fact("a", "text"),  # type: ignore[arg-type]
            Write(space="Not a space", key="a", value=b"", lasts=None),
        ],
    )
    def test_of_a_batch_with_a_wrong_write_nothing_is_written(
        self, store: SideStore, wrong: Write
    ) -> None:
        with pytest.raises(UsageError):
            store.write([fact("good"), wrong])

        assert store.scan(SPACE) == []

    @pytest.mark.parametrize("amount", [float("nan"), float("inf"), 2.0**53, "1", True, None])
    def test_what_is_no_number_is_not_added(self, store: SideStore, amount: float) -> None:
        with pytest.raises(UsageError):
            store.add([count("good", jobs=1), count("a", jobs=amount)])

        assert store.scan(SPACE) == []

    def test_a_closed_store_is_out_of_reach(self, store: SideStore) -> None:
        store.write([fact("a")])
        store.close()
        store.close()

        with pytest.raises(QueueUnavailableError):
            store.read(SPACE, ["a"])
        with pytest.raises(QueueUnavailableError):
            store.write([fact("a")])


class GuardContract(_Stage):
    """Compare-and-set: of all who try, one changes a version."""

    def test_a_store_says_whether_guards_are_seen_by_all(self, store: SideStore) -> None:
        assert store.guards in (True, False)

    def test_only_the_first_writes_what_must_be_absent(self, store: SideStore, door: Doors) -> None:
        (first,) = store.write([guarded("a", b"1", ABSENT)])
        (second,) = door().write([guarded("a", b"2", ABSENT)])

        assert (first.done, second.done) == (True, False)
        assert second.fact == first.fact
        assert values(store, "a") == [b"1"]

    def test_a_version_is_written_once(self, store: SideStore, door: Doors) -> None:
        (old,) = store.write([fact("a", b"1")])
        (new,) = store.write([guarded("a", b"2", version(old))])
        (late,) = door().write([guarded("a", b"3", version(old))])

        assert (new.done, late.done) == (True, False)
        assert version(new) != version(old)
        assert late.fact == new.fact

    def test_what_has_ended_is_absent(self, store: SideStore, clock: ManualClock) -> None:
        (old,) = store.write([guarded("a", b"1", ABSENT, lasts=5.0)])
        clock.advance(5.0)
        (late,) = store.write([guarded("a", b"2", version(old))])
        (new,) = store.write([guarded("a", b"3", ABSENT)])

        assert late == Written(False, None)
        assert new.done

    def test_no_version_comes_twice(self, store: SideStore, clock: ManualClock) -> None:
        seen = []
        for _ in range(3):
            (written,) = store.write([guarded("a", b"same", ABSENT, lasts=5.0)])
            seen.append(version(written))
            store.remove([Removal(space=SPACE, key="a")])
            (written,) = store.write([guarded("a", b"same", ABSENT, lasts=5.0)])
            seen.append(version(written))
            clock.advance(100.0)
            store.write([fact("b")])  # whatever clears away has had its turn

        assert len(set(seen)) == 6
        assert min(seen) > ABSENT

    def test_each_of_a_batch_sees_the_one_before(self, store: SideStore) -> None:
        done = store.write(
            [guarded("a", b"1", ABSENT), guarded("a", b"2", ABSENT), guarded("b", b"3", ABSENT)]
        )

        assert [written.done for written in done] == [True, False, True]

    def test_of_many_threads_that_take_one_key_one_gets_it(self, door: Doors) -> None:
        taken: list[str] = []
        start = threading.Barrier(4)

        def race(name: str, store: SideStore) -> None:
            start.wait()
            for number in range(25):
                (written,) = store.write([guarded(f"key-{number}", name.encode(), ABSENT)])
                if written.done:
                    taken.append(f"key-{number}")

        threads = [threading.Thread(target=race, args=(str(n), door())) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(taken) == sorted(f"key-{number}" for number in range(25))

    def test_what_is_removed_is_gone(self, store: SideStore, door: Doors) -> None:
        store.write([fact("a"), fact("b")])
        gone = door().remove([Removal(space=SPACE, key="a"), Removal(space=SPACE, key="nobody")])

        assert gone == [True, False]
        assert values(store, "a", "b") == [None, b"v"]

    def test_only_the_expected_version_is_removed(self, store: SideStore) -> None:
        (old,) = store.write([fact("a", b"1")])
        (new,) = store.write([fact("a", b"2")])

        def remove(written: Written) -> list[bool]:
            return list(store.remove([Removal(space=SPACE, key="a", expected=version(written))]))

        assert remove(old) == [False]
        assert remove(new) == [True]


class CounterContract(_Stage):
    """Numbers are added up, and no addition is lost."""

    def test_numbers_add_up_by_name(self, store: SideStore, door: Doors) -> None:
        store.add([count("a", jobs=1, seconds=0.25), count("a", jobs=2)])
        door().add([count("a", lost=1), count("b", jobs=7)])
        (a, b) = store.read(SPACE, ["a", "b"])
        assert a is not None
        assert b is not None

        assert dict(a.amounts) == {"jobs": 3, "seconds": 0.25, "lost": 1}
        assert (dict(b.amounts), b.value) == ({"jobs": 7}, b"")

    def test_a_counter_ends_after_its_last_addition(
        self, store: SideStore, clock: ManualClock
    ) -> None:
        store.add([count("a", lasts=10.0, jobs=1)])
        clock.advance(9.0)
        store.add([count("a", lasts=10.0, jobs=1)])
        clock.advance(9.0)
        (found,) = store.read(SPACE, ["a"])
        assert found is not None
        assert found.amounts["jobs"] == 2
        clock.advance(1.0)
        store.add([count("a", lasts=10.0, jobs=1)])
        (found,) = store.read(SPACE, ["a"])

        assert found is not None
        assert found.amounts["jobs"] == 1

    def test_an_addition_is_a_change(self, store: SideStore) -> None:
        (old,) = store.write([fact("a")])
        store.add([count("a", jobs=1)])
        (late,) = store.write([guarded("a", b"2", version(old))])

        assert not late.done
        assert values(store, "a") == [b""]

    def test_no_addition_of_many_threads_is_lost(self, door: Doors) -> None:
        def add(store: SideStore) -> None:
            for _ in range(25):
                store.add([count("a", jobs=1)])

        threads = [threading.Thread(target=add, args=(door(),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (found,) = door().read(SPACE, ["a"])

        assert found is not None
        assert found.amounts["jobs"] == 100


class SideContract(FactContract, GuardContract, CounterContract):
    """The promises of `pulpo.side.SideStore`, one test each; subclass it and give it an engine.

    What a subclass says: the fixture `engine`, fresh for one test, which lives by the fixture
    `clock`; the suite moves it. What is not promised: how soon what has ended is cleared away.
    """
