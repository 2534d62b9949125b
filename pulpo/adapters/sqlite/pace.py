"""When a commit that may wait for its sync should get one: a second after the first unsynced."""

from __future__ import annotations

__all__ = ["SyncPace"]

_BETWEEN_SYNCS = 1.0


class SyncPace:
    """What one connection has committed and not synced yet; times by the boot's clock."""

    def __init__(self) -> None:
        self._since: float | None = None

    def is_due(self, now: float) -> bool:
        """Tell whether the next commit should be synced."""
        return self._since is not None and now - self._since >= _BETWEEN_SYNCS

    def note(self, now: float, *, synced: bool) -> None:
        """Take note of a commit; a sync covers all before it, since they are one log."""
        if synced:
            self._since = None
        elif self._since is None:
            self._since = now
