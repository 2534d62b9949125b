"""A live queue moves from one engine to another, while workers serve both.

Each job is put into the target and deleted at the source, with its id, its story and its time; in
which steps is said in `pulpo.moving.mover`. What survives a kill is said in `pulpo.moving.journal`.
Knows no engine and no terminal.
"""

from __future__ import annotations

from pulpo.moving.journal import Journal, OtherMoveError
from pulpo.moving.moved import Moved
from pulpo.moving.mover import Ends, Mover, Plan

__all__ = ["Ends", "Journal", "Moved", "Mover", "OtherMoveError", "Plan"]
