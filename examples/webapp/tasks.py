"""The slow part of the web app: how sure are we of an average? A chart that says it.

The bootstrap draws the values again a few thousand times: seconds of work that no visitor should
wait for. The chart is a file named after the job, so a second run writes the same file.
"""

from __future__ import annotations

import os
import random
from html import escape
from pathlib import Path
from statistics import fmean

import pulpo

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "webapp")


@pulpo.job(
    type="webapp.chart", queue="webapp", fatal=(ValueError, TypeError), timeout="1m", expires="1h"
)
def chart(title: str, values: list[float], *, rounds: int = 2_000) -> None:
    """Draw the distribution of the mean of `values` as an SVG file."""
    if len(values) < 2:
        raise ValueError(f"a chart needs two values or more: {values!r}")
    job = pulpo.current_job()
    dice = random.Random(job.id)
    means = sorted(fmean(dice.choices(values, k=len(values))) for _ in range(rounds))
    target = OUT / f"{job.id}.svg"
    OUT.mkdir(parents=True, exist_ok=True)
    # The visitor's browser must never see half a file.
    target.with_suffix(".part").write_text(draw(title, means), encoding="utf-8")
    target.with_suffix(".part").replace(target)


def draw(title: str, means: list[float], bars: int = 40) -> str:
    """Return a histogram of sorted means with their 95 % interval as SVG."""
    low, high = means[0], means[-1]
    counts = [0] * bars
    for mean in means:
        counts[min(int((mean - low) / ((high - low) or 1) * bars), bars - 1)] += 1
    boxes = "".join(
        f'<rect x="{20 + i * 14}" y="{250 - 200 * n / max(counts):.1f}" width="12" '
        f'height="{200 * n / max(counts):.1f}" fill="#2e86ab"/>'
        for i, n in enumerate(counts)
    )
    near, far = means[len(means) // 40], means[-len(means) // 40]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 300" font-family="sans-serif">'
        f'<text x="20" y="30" font-size="18">{escape(title)}</text>{boxes}'
        f'<text x="20" y="280">mean {fmean(means):.3f}, '
        f"95 % between {near:.3f} and {far:.3f}</text></svg>"
    )
