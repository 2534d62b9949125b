"""A picture of the Mandelbrot set, computed in strips by as many workers as there are.

Strips are files, so a strip that is computed twice is the same file twice. Whoever finds them all
there puts the picture together: nobody has to be the last one, and nothing has to be counted.
"""

from __future__ import annotations

import os
from pathlib import Path

import pulpo
from examples.tiles.png import grey

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "tiles")


@pulpo.job(type="tiles.strip", queue="tiles", timeout="2m")
def strip(picture: str, number: int, strips: int, width: int, height: int) -> None:
    """Compute the strip `number` of `strips`, then the picture if it was the last."""
    rows = range(number * height // strips, (number + 1) * height // strips)
    pixels = b"".join(row(y, width, height) for y in rows)
    folder = OUT / picture
    folder.mkdir(parents=True, exist_ok=True)
    # The worker's number in the name is for people who look who did what.
    part = folder / f"{number:03}-by-{os.getpid()}.part"
    part.write_bytes(pixels)
    part.replace(part.with_suffix(".strip"))
    found = {path.name[:3]: path for path in folder.glob("*.strip")}
    if len(found) == strips:
        assemble(folder, [found[name] for name in sorted(found)], width)


def row(y: int, width: int, height: int, depth: int = 120) -> bytes:
    """Return one row of pixels, the darker the sooner a point escapes."""
    pixels = bytearray(width)
    imag = 2.4 * y / height - 1.2
    for x in range(width):
        c = complex(3.2 * x / width - 2.3, imag)
        z, n = 0j, 0
        while n < depth and z.real * z.real + z.imag * z.imag < 4:
            z, n = z * z + c, n + 1
        pixels[x] = 255 * n // depth
    return bytes(pixels)


def assemble(folder: Path, strips: list[Path], width: int) -> None:
    """Write the picture; two workers that do so at once write the same bytes."""
    pixels = b"".join(path.read_bytes() for path in strips)
    part = folder / f"{os.getpid()}.part"
    part.write_bytes(grey([pixels[i : i + width] for i in range(0, len(pixels), width)]))
    part.replace(OUT / f"{folder.name}.png")
