"""The rows of the programme, one concept a file; each file lists its own as `ROWS`."""
