"""A bookshop on Django."""
