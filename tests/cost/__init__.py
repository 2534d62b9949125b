"""What one job costs, counted: calls, round trips, system calls, bytes, memory. No times."""
