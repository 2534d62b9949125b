"""Importing modules of handlers, and what a person reads when one does not load."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulpo.errors import LoadError
from pulpo.loading import check_module_name, import_modules, make_folder_importable


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    make_folder_importable()
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def load_error(*names: str) -> LoadError:
    with pytest.raises(LoadError) as caught:
        import_modules(names)
    return caught.value


def test_a_module_of_the_current_folder_is_imported(folder: Path) -> None:
    (folder / "lab_tasks.py").write_text("READY = True")

    import_modules(["lab_tasks"])

    assert sys.modules["lab_tasks"].READY


def test_a_misspelt_module_is_answered_with_the_nearest_one(folder: Path) -> None:
    (folder / "lab_tasks.py").touch()

    error = load_error("lab_taks")

    assert (error.shown, error.exit_code) == ("no module 'lab_taks'; did you mean 'lab_tasks'?", 2)


def test_a_module_named_without_its_package_is_answered_with_its_package(folder: Path) -> None:
    (folder / "labshop").mkdir()
    (folder / "labshop" / "jobs_of_shop.py").touch()

    assert "did you mean 'labshop.jobs_of_shop'?" in load_error("jobs_of_shop").shown


def test_a_misspelt_module_in_a_package_of_a_package_is_answered_with_the_nearest_one(
    folder: Path,
) -> None:
    (folder / "labshop" / "orders").mkdir(parents=True)
    (folder / "labshop" / "orders" / "tasks.py").touch()

    assert "did you mean 'labshop.orders.tasks'?" in load_error("labshop.order.tasks").shown


@pytest.mark.parametrize("name", ["tasks.py", "./tasks.py", "tasks/__init__.py"])
def test_a_file_is_answered_with_the_name_of_its_module(name: str) -> None:
    with pytest.raises(LoadError, match="write the module's name, 'tasks'"):
        check_module_name(name)


def test_a_path_is_answered_with_dots() -> None:
    with pytest.raises(LoadError, match=r"'app.tasks', not the name of its file: 'app/tasks.py'"):
        check_module_name("app/tasks.py")


@pytest.mark.parametrize("name", ["", ".", "a..b", "a b", "-x", "a:b", "\x1b[2J"])
def test_nonsense_is_no_module_name(name: str) -> None:
    with pytest.raises(LoadError, match="a module's name is like"):
        check_module_name(name)


def test_a_failing_module_is_shown_with_its_own_frames_only(folder: Path) -> None:
    (folder / "lab_broken.py").write_text("def f():\n    raise ValueError('boom')\n\nf()\n")

    error = load_error("lab_broken")

    assert error.exit_code == 1
    assert error.shown.startswith("Traceback (most recent call last):\n")
    assert error.shown.count('File "') == 2
    assert "importlib" not in error.shown
    last = error.shown.splitlines()[-1]
    assert last == "module 'lab_broken' does not import: ValueError: boom"


def test_a_missing_dependency_is_the_modules_own_error(folder: Path) -> None:
    (folder / "lab_needy.py").write_text("import lab_not_installed\n")

    error = load_error("lab_needy")

    assert error.exit_code == 1
    assert 'lab_needy.py", line 1' in error.shown
    assert "No module named 'lab_not_installed'" in error.shown


def test_a_syntax_error_shows_the_line(folder: Path) -> None:
    (folder / "lab_typo.py").write_text("def f(:\n")

    assert "def f(:" in load_error("lab_typo").shown


def test_a_module_that_ends_the_process_is_a_failing_module(folder: Path) -> None:
    (folder / "lab_script.py").write_text("import sys\nsys.exit(3)\n")

    assert "does not import: SystemExit: 3" in load_error("lab_script").shown


def test_an_error_inside_pulpo_is_shown_at_the_line_that_called_it(folder: Path) -> None:
    (folder / "lab_wrong.py").write_text(
        "from pulpo.identity import check_queue\ncheck_queue('no such queue!')\n"
    )

    error = load_error("lab_wrong")

    assert error.shown.count('File "') == 1
    assert "lab_wrong.py" in error.shown
