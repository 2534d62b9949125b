"""Migrations of the bookshop."""
