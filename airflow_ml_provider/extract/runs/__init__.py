"""What one run of a step leaves for the next."""
