"""Small readable files, into one of which a bug is planted."""
