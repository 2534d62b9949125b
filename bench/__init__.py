"""The benchmark: pulpo beside a bare loop on the same engine, in the same run.

`python -m bench` measures publishing and working; `python -m bench.loop` measures one engine's
adapter alone, without a worker.
"""
