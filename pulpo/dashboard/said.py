"""What an act has to say on the page that follows it, carried in the address as a code.

A code, not a text: no link of a stranger's can put words into the operator's page.
"""

from __future__ import annotations

__all__ = ["sentence"]

# {n} is a number of jobs, {jobs} the same with its noun.
_SENTENCES = {
    "kicked": "Kicked {jobs}: ready to run now.",
    "deleted": "Deleted {jobs}.",
    "buried": "Buried {jobs}: nobody runs them before they are kicked.",
    "edited": "Saved. The job has its new contents.",
    "requeued": "Saved. The job is ready to run with its new contents.",
    "paused": "Paused: workers take no jobs from this queue.",
    "resumed": "Resumed: workers take jobs from this queue again.",
    "goes-on": "It takes a while and goes on by itself: below is how far it is.",
    "counted": "Counted: {jobs} match.",
    "stopped": "Stopped. What was done is done.",
    "asked": "Asked: the stacks are below within a few seconds.",
    "not-asked": "Not asked: this process has ended, or what workers tell is out of reach.",
    "schedule-run": "Published a job of it now, beside its ticks.",
    "schedule-busy": "Not published: it is to have no overlap, and its last job is not done.",
    "schedule-paused": "Paused: no tick of it is published.",
    "schedule-resumed": "Resumed: it goes on with its next tick.",
    "schedule-gone": "Nothing done: no such schedule is known here any more.",
    "not-kicked": "Not kicked: it is not buried and not delayed any more.",
    "not-deleted": "Not deleted: it is being run, or somebody else was faster.",
    "not-buried": "Not buried: it is being run or buried already, or somebody else was faster.",
    "not-edited": "Not saved: it is being run, or somebody else was faster.",
}


def sentence(code: str, number: str) -> str:
    """Return the sentence of a code; nothing for one that is not ours."""
    text = _SENTENCES.get(code, "")
    count = int(number) if number.isascii() and number.isdigit() and len(number) < 12 else 1
    return text.format(jobs="1 job" if count == 1 else f"{count:,} jobs")
