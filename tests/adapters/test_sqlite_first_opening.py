"""A queue file that does not exist yet, and that many open in the same moment."""

from __future__ import annotations

import threading
from pathlib import Path

from pulpo.adapters import open_engine
from pulpo.job import NewJob


def put_one(url: str, name: str, gate: threading.Barrier, answers: list[object]) -> None:
    adapter = open_engine(url).adapter()
    try:
        gate.wait()
        answers += adapter.put([NewJob(id=name, type="a", queue="default", body=b"a job")])
    except Exception as error:
        answers.append(error)
    finally:
        adapter.close()


def test_all_who_open_a_new_file_at_once_find_a_queue(tmp_path: Path) -> None:
    # One round meets the moment more often than not, ten nearly always.
    for turn in range(10):
        url = f"sqlite:///{tmp_path}/{turn}.db"
        gate, answers = threading.Barrier(8), list[object]()
        names = [f"job-{number}" for number in range(8)]
        threads = [
            threading.Thread(target=put_one, args=(url, name, gate, answers)) for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(map(str, answers)) == names
