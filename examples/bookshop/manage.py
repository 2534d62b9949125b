"""`python -m examples.bookshop.manage`: Django's commands, and pulpo's."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "examples.bookshop.settings"
    execute_from_command_line(sys.argv)
