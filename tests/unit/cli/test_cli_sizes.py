"""Sizes of memory on the command line."""

from __future__ import annotations

import click
import pytest

from pulpo.cli.parameters import SIZE


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("300MB", 300_000_000),
        ("1GiB", 1_073_741_824),
        ("1.5 GB", 1_500_000_000),
        ("64kB", 64_000),
        ("64KiB", 65_536),
        ("500B", 500),
    ],
)
def test_a_size_is_a_number_with_a_unit(text: str, size: int) -> None:
    assert SIZE(text) == size


@pytest.mark.parametrize("text", ["300", "300M", "MB", "-1MB", "0MB", "1e3MB", "", "1GiB2"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"300MB|more than 0"):
        SIZE(text)
