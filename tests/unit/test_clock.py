"""The three times that pulpo lives by."""

import time

from pulpo.clock import ManualClock, SystemClock


def test_the_system_clock_is_the_operating_systems():
    clock = SystemClock()

    assert abs(clock.wall() - time.time()) < 1
    assert abs(clock.monotonic() - time.monotonic()) < 1


def test_the_boot_has_one_name():
    assert SystemClock().boot() == SystemClock().boot() != ""


def test_a_manual_clock_stands_still_until_it_is_moved():
    clock = ManualClock(wall=100.0)
    before = clock.monotonic()
    clock.advance(5)

    assert (clock.wall(), clock.monotonic()) == (105.0, before + 5)


def test_a_jump_moves_only_the_wall_clock():
    clock = ManualClock(wall=100.0)
    before = clock.monotonic()
    clock.jump(-50)

    assert (clock.wall(), clock.monotonic()) == (50.0, before)


def test_after_a_reboot_the_boot_has_another_name():
    clock = ManualClock()
    before = clock.boot()
    clock.reboot()

    assert clock.boot() != before
