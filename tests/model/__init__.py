"""Engines against a model: what each must answer, in any order of calls and of statements."""
