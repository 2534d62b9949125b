"""A spool: jobs kept in files while their queue is out of reach, and relayed when it is back.

`beanstalkd://host?spool=DIR`. Works around any engine whose queue is a server.
"""

from __future__ import annotations

from pulpo.adapters.spool.looking import SpoolStats, look

__all__ = ["SpoolStats", "look"]
