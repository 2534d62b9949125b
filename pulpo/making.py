"""The jobs that messages ask for here and now.

Knows the job types of one app, its settings and its keys; publishes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pulpo.choosing import Choice
from pulpo.codec import Codec
from pulpo.configuration import find_settings, signing_keys
from pulpo.handlers import declared_types
from pulpo.job import NewJob
from pulpo.message import Message
from pulpo.mold import cast
from pulpo.publishing import new_job
from pulpo.registry import JobType, Registry
from pulpo.run import CURRENT

__all__ = ["Making"]


class Making:
    """Makes the jobs of one app; any thread."""

    def __init__(self, registry: Registry, choice: Choice) -> None:
        #: Finds the types that are registered here; others may be declared later.
        self.known = registry.find
        self._choice = choice
        # Made at first use, each by `dict.setdefault`: see `Connections` for why there is no lock.
        self._codec: dict[str, Codec] = {}
        self._declared: dict[str, Mapping[str, JobType]] = {}

    @property
    def codec(self) -> Codec:
        """The wire format, with the keys of `PULPO_SIGNING_KEYS`."""
        return self._codec.get("codec") or self._codec.setdefault("codec", Codec(signing_keys()))

    def jobs(self, batch: Iterable[Message]) -> list[NewJob]:
        """Return the job of each message; raises `UsageError` and `EncodeError`."""
        codec, find, now, run = self.codec, self.find, self._choice.clock.wall(), CURRENT.get(None)
        if run is not None:
            depth = run.envelope.depth + 1  # how many jobs stand above these
            return [new_job(message, codec, find, now, depth) for message in batch]
        known = self.known
        return [
            cast(message, message.id, message.body, codec=codec, find=known)
            or new_job(message, codec, find, now)
            for message in batch
        ]

    def find(self, type: str) -> JobType | None:
        """Return the type of that name which is registered here, or that the settings declare."""
        found = self.known(type)
        if found is not None:
            return found
        declared = self._declared.get("declared")
        if declared is None:
            declared = self._declared.setdefault("declared", declared_types(find_settings()))
        return declared.get(type)
