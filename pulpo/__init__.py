"""Pulpo: a job queue that loses nothing."""
