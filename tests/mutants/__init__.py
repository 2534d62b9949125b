"""Known bugs of job queues as patches: a programme of tests that misses one is not finished."""
