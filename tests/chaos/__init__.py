"""The chaos programme: faults made on purpose, each with a figure, and what must hold."""
