"""The machine: what it is, how fast it multiplies, and what on it slows either side."""
