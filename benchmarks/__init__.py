"""How fast is each side? Parity first: a side that the judge refuses is not timed."""
