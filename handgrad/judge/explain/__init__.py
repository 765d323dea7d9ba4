"""What a failure says besides its numbers: a likely mistake, the first wrong layer, lines of Python that fail alike."""
