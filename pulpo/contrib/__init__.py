"""What joins pulpo with other packages, one module each; nothing here is imported by itself."""
