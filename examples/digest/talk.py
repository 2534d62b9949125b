"""A lively discussion: `python -m examples.digest.talk`. 120 comments, three people."""

from __future__ import annotations

from examples.digest import notes
from examples.digest.tasks import tell

PEOPLE = ("ada@example.com", "grace@example.com", "sylvia@example.com")


def main() -> None:
    notes.create()
    for number in range(120):
        author, recipient = PEOPLE[number % 3], PEOPLE[(number + 1) % 3]
        tell(recipient, f"{author.partition('@')[0].title()} answered you (comment {number})")
    print("120 comments noted, one job for each of the three recipients")


if __name__ == "__main__":
    main()
