"""The goals and what was reached, as one SVG that follows the reader's light or dark colours.

A bar for each goal: how much of it was reached, the goal itself as one line down the picture. So
rates, times and shares stand in one picture. Knows nothing of how they were measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from bench.goals import Verdict
from bench.table import short

__all__ = ["draw", "reached"]

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .small { font-size: 11px; fill: #57606a; }
  .back { fill: #ffffff; } .met { fill: #1a7f5a; } .unmet { fill: #c4552d; }
  .goal { stroke: #24292f; stroke-width: 1.5; stroke-dasharray: 4 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .small { fill: #9198a1; }
    .back { fill: #0d1117; } .met { fill: #3fb68b; } .unmet { fill: #e8825a; }
    .goal { stroke: #e6edf3; }
  }
"""
_WIDTH, _LEFT, _RIGHT, _LINE, _TOP = 900, 300, 150, 24, 62
_MOST = 2.0  # twice the goal fills the picture; more than that is cut


def reached(verdict: Verdict) -> float:
    """Return how much of a goal was reached: 1 = just met, more is better."""
    goal, shares = verdict.goal, [0.0]
    if goal.ratio and verdict.ratio is not None:
        shares.append(verdict.ratio / goal.ratio)
    if goal.at_least:
        shares.append(verdict.value / goal.at_least)
    if goal.at_most is not None:
        shares.append(goal.at_most / verdict.value if verdict.value > 0 else math.inf)
    return max(shares)


def draw(verdicts: Sequence[Verdict], caption: str) -> str:
    """Return the picture of these goals; the caption says what machine it was."""
    height = _TOP + _LINE * len(verdicts) + 16
    at_goal = _LEFT + _scale(1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape('pulpo: goals and what was reached')}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="back" width="{_WIDTH}" height="{height}"/>',
        f'<text class="small" x="12" y="20">{escape(caption)}</text>',
        f'<text x="{at_goal}" y="46" text-anchor="middle">the goal</text>',
        *(_bar(verdict, _TOP + _LINE * line) for line, verdict in enumerate(verdicts)),
        f'<line class="goal" x1="{at_goal}" x2="{at_goal}" y1="52" y2="{height - 10}"/>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _scale(share: float) -> int:
    return round((_WIDTH - _LEFT - _RIGHT) * min(share, _MOST) / _MOST)


def _bar(verdict: Verdict, top: int) -> str:
    goal = verdict.goal
    width = max(2, _scale(reached(verdict)))
    style = "met" if verdict.met else "unmet"
    found = f"{short(verdict.value)} {goal.metric}" if goal.ratio is None else _ratio(verdict)
    label = f"{goal.measure}, {goal.engine}"
    if goal.metric not in {"jobs/s", "ms"}:
        label += f", {goal.metric}"
    return (
        f"<g><title>{escape(f'{label}: {found}, goal {goal.text}')}</title>"
        f'<text x="{_LEFT - 10}" y="{top + 14}" text-anchor="end">{escape(label)}</text>'
        f'<rect class="{style}" x="{_LEFT}" y="{top + 3}" width="{width}" height="15" rx="2"/>'
        f'<text class="small" x="{_LEFT + width + 6}" y="{top + 14}">{escape(found)}</text></g>'
    )


def _ratio(verdict: Verdict) -> str:
    return f"{verdict.ratio:.2f} of bare"
