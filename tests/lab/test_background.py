"""What works in the background begins and ends with its story, and tells what went wrong."""

from __future__ import annotations

import threading

import pytest

from tests.lab.background import Background


class Waiting(Background):
    """Waits for its end, and then fails if it is to."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.over = threading.Event()
        self.error = error
        self.ended = False

    def _work(self) -> None:
        self.over.wait()
        self.ended = True
        if self.error:
            raise self.error

    def _end(self) -> None:
        self.over.set()


def test_it_works_until_the_story_ends() -> None:
    with Waiting() as waiting:
        assert not waiting.ended

    assert waiting.ended


def test_what_went_wrong_in_it_is_raised_where_the_story_ends() -> None:
    waiting = Waiting(ValueError("in the background"))

    with pytest.raises(ValueError, match="in the background"), waiting:
        pass


def test_an_error_of_the_story_itself_comes_first() -> None:
    with pytest.raises(KeyError), Waiting(ValueError("in the background")):
        raise KeyError("in the story")
