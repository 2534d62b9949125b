"""What an engine may choose for itself: where the port leaves something open, one answer each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Traits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What one engine does where the port does not say; each is documented with the engine.

    - `max_body`: the largest body in bytes. `grain`: delays are rounded up to so many seconds.
    - `batches`: an exchange brings all that it can, not only some of it.
    - `born`: the order in which the jobs that a batch of settlements makes arrive, by the place
      of their settlement and whether they are its rewritten copy (or follow it).
    - `edits_in_place`: an edited job keeps its place among equals.
    - `lease_ends`: time alone ends a lease. Where it does not (beanstalkd, whose timers cannot be
      trusted, so that pulpo lives by the socket), jobs have a ttr that no test lives to see.
    - `pauses_by_wall`: a pause ends by the clock on the wall.
    - `drops_pauses`: a queue that holds nothing, and that nobody serves, forgets its pause, and a
      queue that is not there cannot be paused.
    - `dead_may_wait`: what a dead owner held may be passed over while other jobs are ready, or in
      an exchange that settles: the roll of the dead is not called for each.
    - `renews_what_was_seen`: an owner that reserves where a job of its own is late renews it only
      if somebody came by meanwhile and saw that it is late.
    - `goes_plain`: a job whose rewritten copy is too big goes back as it is, at its old place and
      with its old count of crashes, by a plain release or bury. Else its copy has the old body.
    - `lines`: jobs lie on several servers, each a line of its own. Between two lines only the
      priority counts, and what became ready at this very moment may be passed over.
    - `retakes`: an owner whose connection was cut takes back what still runs there before it does
      anything else, unless somebody else holds it; that its server has given it twice counts. Of
      several servers each gives back its own when it is next asked.
    """

    max_body: int
    grain: float = 0.0
    batches: bool = True
    born: Callable[[int, bool], tuple[int, int]] = lambda place, copy: (place, int(copy))
    edits_in_place: bool = False
    lease_ends: bool = True
    pauses_by_wall: bool = False
    drops_pauses: bool = False
    dead_may_wait: bool = False
    renews_what_was_seen: bool = False
    goes_plain: bool = False
    lines: bool = False
    retakes: bool = False
