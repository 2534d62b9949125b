"""Every example, run as its README says: real publishers, real workers, real files."""
