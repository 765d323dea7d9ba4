"""Two runs held against each other: both sides trained on the same batches, judged, and what came of it."""
