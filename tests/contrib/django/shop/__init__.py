"""An app of the small project."""
