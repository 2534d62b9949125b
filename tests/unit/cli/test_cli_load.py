"""What a worker process loads, and what its operator reads when that goes wrong."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import pulpo
from pulpo.cli.load import load_parts
from pulpo.errors import LoadError

URL = "beanstalkd://127.0.0.1:1"
JOBS = "import pulpo\n\n@pulpo.job(type='mail.welcome', queue='mail')\ndef welcome(): ...\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PULPO_URL", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(pulpo, "_default", {})  # the default app of a fresh process
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(folder: Path, *modules: str, url: str | None = URL) -> LoadError:
    with pytest.raises(LoadError) as caught:
        load_parts(modules, url)
    return caught.value


def test_the_types_of_the_modules_and_of_the_settings_file_are_loaded(folder: Path) -> None:
    (folder / "lab_tasks.py").write_text(JOBS)
    (folder / "lab_images.py").write_text("class Resize:\n    def handle(self, message): ...\n")
    (folder / "pulpo.toml").write_text('[handlers]\n"image.resize" = "lab_images:Resize"\n')

    parts = load_parts(["lab_tasks"], URL)

    assert {"mail.welcome", "image.resize"} == {each.type for each in parts.registry}
    assert parts.shown_url == URL


def test_the_handlers_of_the_settings_file_are_enough(folder: Path) -> None:
    (folder / "lab_images.py").write_text("def resize(message): ...\n")
    (folder / "pulpo.toml").write_text(
        f'url = "{URL}"\n[handlers]\n"image.resize" = "lab_images:resize"\n'
    )

    assert [each.type for each in load_parts([], None).registry] == ["image.resize"]


def test_the_url_of_the_command_line_counts_before_one_that_a_module_sets(folder: Path) -> None:
    text = f"{JOBS}\npulpo.configure(url='beanstalkd://127.0.0.1:2')\n"
    (folder / "lab_tasks.py").write_text(text)

    assert load_parts(["lab_tasks"], URL).shown_url == URL


def test_the_url_that_a_module_sets_counts_without_one_on_the_command_line(folder: Path) -> None:
    (folder / "lab_tasks.py").write_text(f"{JOBS}\npulpo.configure(url='{URL}')\n")

    assert load_parts(["lab_tasks"], None).shown_url == URL


def test_a_module_without_job_types_is_refused(folder: Path) -> None:
    (folder / "lab_empty.py").touch()

    error = refusal(folder, "lab_empty")

    assert error.exit_code == 2
    assert "no job types in 'lab_empty'" in error.shown


def test_a_queue_in_memory_set_by_a_module_is_refused_with_exit_code_5(folder: Path) -> None:
    (folder / "lab_tasks.py").write_text(f"{JOBS}\npulpo.configure(url='memory://')\n")

    error = refusal(folder, "lab_tasks", url=None)

    assert error.exit_code == 5
    assert "lives inside one process" in error.shown


def test_a_wrong_setting_is_one_line_with_exit_code_2(folder: Path) -> None:
    (folder / "pulpo.toml").write_text('[handlers]\n"image.resize" = "lab_nowhere:Resize"\n')

    error = refusal(folder)

    assert error.exit_code == 2
    assert "lab_nowhere" in error.shown
    assert "Traceback" not in error.shown


def test_a_handler_that_can_not_be_made_shows_its_own_traceback(folder: Path) -> None:
    (folder / "lab_images.py").write_text(
        "class Resize:\n"
        "    def __init__(self):\n"
        "        raise OSError('no camera')\n\n"
        "    def handle(self, message): ...\n"
    )
    (folder / "pulpo.toml").write_text('[handlers]\n"image.resize" = "lab_images:Resize"\n')

    error = refusal(folder)

    assert error.exit_code == 1
    assert error.shown.count('File "') == 1
    last = error.shown.splitlines()[-1]
    assert last.startswith("handlers.'image.resize' in ")
    assert last.endswith(
        "(it says {'handler': 'lab_images:Resize'}) does not load: OSError: no camera"
    )


def test_loading_can_be_sent_to_a_process_that_was_spawned() -> None:
    load = partial(load_parts, ("lab_tasks",), URL)

    assert load.args == pickle.loads(pickle.dumps(load)).args
