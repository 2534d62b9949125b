"""Several beanstalkds as one queue: `beanstalkd://a,b,c`.

Each job lives on one of them. Who publishes spreads jobs over the servers that answer, who works
reserves from all, the most urgent first. Which servers belong together is said in `roster`.
"""

from __future__ import annotations

from pulpo.adapters.shards.engine import ShardedEngine

__all__ = ["ShardedEngine"]
