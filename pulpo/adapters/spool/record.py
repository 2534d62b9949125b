"""One kept job as bytes, and back: what stands in a file of a spool.

msgpack `[1, crc32, map]`, where the map is msgpack in bytes. The version comes first, so that a
newer pulpo's file is recognised as such; the sum finds a file that a failing disk has changed.
Pure. The body is opaque here too.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import msgpack

from pulpo.clock import Clock
from pulpo.errors import DecodeError, UsageError
from pulpo.identity import check_type
from pulpo.job import Guard, NewJob, check_new_job

__all__ = ["Kept", "pack", "unpack"]

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A job, and when it was accepted: by the wall, and by the monotonic clock of that boot."""

    job: NewJob
    wall: float
    monotonic: float
    boot: str

    @classmethod
    def now(cls, job: NewJob, clock: Clock, boot: str) -> Kept:
        """Return a job that is accepted now; `boot` is the clock's."""
        return cls(job=job, wall=clock.wall(), monotonic=clock.monotonic(), boot=boot)

    def put_now(self, clock: Clock, boot: str) -> NewJob:
        """Return the job as it is to be put now: of its delay only what is left."""
        if not self.job.delay:
            return self.job
        # The wall clock may have been set meanwhile; after a restart there is no other one.
        if boot == self.boot:
            waited = clock.monotonic() - self.monotonic
        else:
            waited = clock.wall() - self.wall
        left = min(max(self.job.delay - waited, 0.0), self.job.delay)
        return replace(self.job, delay=left)


def pack(kept: Kept) -> bytes:
    """Return the bytes of a file."""
    job = kept.job
    fields = {
        "id": job.id,
        "type": job.type,
        "queue": job.queue,
        "body": job.body,
        "priority": job.priority,
        "delay": job.delay,
        "at": job.at,
        "ttr": job.ttr,
        "expires": job.expires,
        "wall": kept.wall,
        "monotonic": kept.monotonic,
        "boot": kept.boot,
    }
    if job.guards:
        fields["guards"] = [[guard.key, guard.until] for guard in job.guards]
    packed = msgpack.packb(fields)
    return cast(bytes, msgpack.packb([_VERSION, zlib.crc32(packed), packed]))


def unpack(data: bytes) -> Kept:
    """Return what is in a file; raises `DecodeError` for a torn, foreign or newer one."""
    try:
        version, checksum, packed = msgpack.unpackb(data)
        if version != _VERSION or checksum != zlib.crc32(packed):
            raise DecodeError(f"not whole, or of another version: {version!r}")
        return _kept(msgpack.unpackb(packed))
    except DecodeError:
        raise
    # What msgpack says of odd bytes depends on the bytes.
    except (ValueError, TypeError, KeyError, UsageError, msgpack.UnpackException) as error:
        raise DecodeError(f"not the file of a job: {error}") from error


def _kept(fields: Mapping[str, object]) -> Kept:
    names = ("id", "queue", "body", "priority", "delay", "at", "ttr", "expires")
    given = {name: fields[name] for name in names}
    said = cast("Sequence[Sequence[Any]]", fields.get("guards", ()))
    guards = tuple(Guard(*each) for each in said)
    job = NewJob(type=check_type(fields["type"]), guards=guards, **given)  # type: ignore[arg-type]
    check_new_job(job)
    wall, monotonic, boot = fields["wall"], fields["monotonic"], fields["boot"]
    if not (isinstance(wall, float) and isinstance(monotonic, float) and isinstance(boot, str)):
        raise DecodeError("not the file of a job: its times are no times")
    return Kept(job=job, wall=wall, monotonic=monotonic, boot=boot)
