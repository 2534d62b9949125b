"""What the threads of a process know of their queue: is it worth a try, and is the spool empty?

Values and times only. There is no lock in here: another thread could hold it at the moment of a
fork. What two threads write at once is at worst one try too many.
"""

from __future__ import annotations

from pulpo.clock import Clock
from pulpo.errors import QueueError, QueueUnavailableError
from pulpo.job import Capabilities

__all__ = ["Reach"]

# Between two tries of a queue that is away, in seconds; where a try takes long (a frozen server, a
# firewall that swallows packets) so many times as long, or a producer would do nothing but try.
_PAUSE, _SHARE = 1.0, 4
# Nobody else tries while one does; should that one never tell, they do after so long.
_CLAIM = 15.0

# An empty spool is looked into so often, in seconds: another process may have met an outage.
_LOOK = 5.0

# A queue that nobody has reached yet is taken for a beanstalkd as it comes.
_USUAL = Capabilities(
    engine="", max_body=65_535, delay_unit=1.0, keeps_pause=False, counts_crashes=False
)


class Reach:
    """Shared by the doors of one engine; any thread.

    `capabilities` are the queue's own once it was `asked`; `fresh` says that it was not away since
    and need not be asked again for the next seconds. `checked` says that the spool's folder
    was found to be ours, `why` how the last try failed.
    """

    def __init__(self, clock: Clock) -> None:
        self.capabilities = _USUAL
        self.asked = False
        self.fresh = False
        self.checked = False
        self.why = QueueUnavailableError("the queue is out of reach")
        self._clock = clock
        self._away = False
        self._try_at = 0.0
        self._relay_at = float("-inf")

    def learn(self, capabilities: Capabilities) -> None:
        """Note what the queue itself says that it can do."""
        self.capabilities, self.asked, self.fresh = capabilities, True, True

    def is_worth_a_try(self) -> bool:
        """Tell whether to ask the queue now."""
        return not self._away or self._clock.monotonic() >= self._try_at

    def claim(self) -> float:
        """Begin a try, and let nobody else begin one meanwhile; returns when it was."""
        if not self._away:
            return self._clock.monotonic()
        now = self._clock.monotonic()
        self._try_at = now + _CLAIM
        return now

    def again(self) -> None:
        """End a try that went well so far: the next one may be at once."""
        self._try_at = 0.0

    def lost(self, since: float, why: QueueError) -> None:
        """End a try, begun `since`, that did not reach the queue."""
        self.why = QueueUnavailableError(f"a moment ago: {why}")
        now = self._clock.monotonic()
        self._away, self.fresh = True, False
        self._try_at = now + max(_PAUSE, _SHARE * (now - since))

    def back(self) -> None:
        """End a try that the queue has answered."""
        self._away = False

    def is_time_to_relay(self, now: float) -> bool:
        """Tell whether to look into the spool now."""
        return now >= self._relay_at

    def relay_soon(self) -> None:
        """Let the next publish look into the spool: something is there."""
        self._relay_at = float("-inf")

    def relay_later(self, *, empty: bool) -> None:
        """Let a moment pass before the next look: nothing is there, or it cannot go now."""
        self._relay_at = self._clock.monotonic() + (_LOOK if empty else _PAUSE)
