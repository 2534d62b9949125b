"""Small real programs on pulpo; run them from the repository's root."""
