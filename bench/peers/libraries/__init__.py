"""A module for each library: its jobs, as its manual says, and `PRODUCER`, which publishes them."""
