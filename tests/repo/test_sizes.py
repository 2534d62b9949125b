"""No file, class or function grows beyond what a reader can hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "pulpo").rglob("*.py"))
FILE, CLASS, FUNCTION = 400, 200, 50


def too_long(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    if text.count("\n") > FILE:
        yield f"{path.name}: {text.count(chr(10))} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            wall = CLASS if isinstance(node, ast.ClassDef) else FUNCTION
            length = (node.end_lineno or 0) - node.lineno + 1
            if length > wall:
                yield f"{path.name}:{node.lineno} {node.name}: {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_file_keeps_within_the_walls(path: Path) -> None:
    assert list(too_long(path)) == []


def test_the_walls_see_what_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text("def f():\n" + "    x = 1\n" * FUNCTION + "\n" * FILE)

    assert [line.split(":")[0] for line in too_long(path)] == ["long.py", "long.py"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_file_says_what_it_is_about(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
