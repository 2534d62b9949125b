"""A page of a real browser that remembers all that must not happen in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page

__all__ = ["AXE", "Watched"]

AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"

_TELL_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation",
    (event) => window.violations.push(event.violatedDirective + " " + event.blockedURI));
"""


class Watched:
    """One tab; `troubles` are errors of the console and of scripts, dialogs, broken policies."""

    def __init__(self, context: BrowserContext, root: str) -> None:
        self.root = root
        self.troubles: list[str] = []
        self.page: Page = context.new_page()
        self.page.add_init_script(_TELL_VIOLATIONS)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(f"{message.type}: {message.text}")

    def _dialog(self, dialog: Any) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def go(self, path: str) -> Page:
        """Open a page of the dashboard."""
        self.page.goto(f"{self.root}{path}")
        return self.page

    def press(self, ending: str) -> Page:
        """Press the button of the first form whose action ends so, and wait for what follows."""
        with self.page.expect_navigation():
            self.page.locator(f'form[action$="{ending}"] button').first.click()
        return self.page

    def accessibility(self) -> list[str]:
        """Return what axe finds wrong with the page, with the element it is about."""
        # Not as a script of the page: the policy would not let it run.
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document).then((result) => result.violations)")
        return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]

    def check(self) -> None:
        """Fail where anything has happened that must not."""
        self.troubles += self.page.evaluate("window.violations || []")
        assert self.troubles == []
