"""The `pulpo` command as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulpo.adapters import open_engine
from pulpo.codec import Codec
from pulpo.identity import new_id
from pulpo.job import NewJob, Settlement, Verb


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """The lines of stdout, each read as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class CommandLine:
    """Runs `python -m pulpo` in a folder, on a queue."""

    folder: Path
    url: str

    def __call__(self, *arguments: str, stdin: str | bytes = b"", **environment: str) -> Said:
        """Run one command to its end."""
        keep = {k: v for k, v in os.environ.items() if not k.startswith("PULPO")}
        done = subprocess.run(
            [sys.executable, "-m", "pulpo", *arguments],
            cwd=self.folder,
            env={**keep, "PULPO_URL": self.url, "PYTHONUTF8": "1", **environment},
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=30,
            check=False,
        )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    def put(
        self,
        *,
        queue: str = "mail",
        body: bytes | None = None,
        delay: float = 0.0,
        **headers: object,
    ) -> str:
        """Put a job as another tool would: any headers, or any bytes at all; return its id."""
        job_id = new_id()
        named = {"type": "mail.welcome", "id": job_id, **headers}
        data = body or Codec().encode(named, {"to": "a"})
        adapter = open_engine(self.url).adapter()
        try:
            (answer,) = adapter.put(
                [NewJob(id=job_id, type="mail.welcome", queue=queue, body=data, delay=delay)]
            )
        finally:
            adapter.close()
        assert isinstance(answer, str), answer
        return answer

    def bury(self, *, queue: str = "mail", **headers: object) -> str:
        """Put a job and bury it with these headers, as a worker would; return its id."""
        job_id = new_id()
        named = {"type": "mail.welcome", "id": job_id, "queue": queue, **headers}
        data = Codec().encode(named, None)
        new = NewJob(id=job_id, type=str(named["type"]), queue=queue, body=data, priority=0)
        adapter = open_engine(self.url).adapter()
        try:
            adapter.put([new])
            _, (job,) = adapter.exchange([], [queue], limit=1, timeout=5)
            (done,), _ = adapter.exchange([Settlement(Verb.BURY, job, new)], [], limit=0, timeout=0)
        finally:
            adapter.close()
        assert done is True
        return job_id
