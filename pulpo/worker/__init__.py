"""The worker: reserves jobs, runs their handlers, settles them. Knows no engine."""
