"""Ask for a picture in strips: `python -m examples.tiles.start [WIDTH HEIGHT]`."""

from __future__ import annotations

import sys

from examples.tiles.tasks import strip

STRIPS = 24


def main() -> None:
    width, height = (int(text) for text in sys.argv[1:3] or ("640", "480"))
    picture = f"mandelbrot-{width}x{height}"
    strip.delay_many([(picture, number, STRIPS, width, height) for number in range(STRIPS)])
    print(f"{picture}: {STRIPS} strips published in one round trip")


if __name__ == "__main__":
    main()
