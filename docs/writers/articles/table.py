"""All claims, source by source."""

from docs.writers.articles import source_000, source_001, source_002, source_003, source_004, suggested
from docs.writers.articles.claim import Claim

TITLES = {
    "000": "From logistic regression to MLPs: one layer, looked into",
    "001": "Building and experimenting with neural networks in PyTorch",
    "002": "A strip and a circle, beside a hand-written MLP",
    "003": "trainFCNN: twelve rules of the plane",
    "004": "No questions asked: a net that grows",
    "more": "What the five suggest",
}

LESSONS = {
    "000": "lesson_000_one_layer.py",
    "001": "lesson_001_five_steps.py",
    "002": "lesson_002_strip_and_circle.py",
    "003": "lesson_003_twelve_rules.py",
    "004": "lesson_004_growing.py",
}
"""The notebook of each source, in `lessons/`."""

CLAIMS: dict[str, dict[str, Claim]] = {
    "000": source_000.CLAIMS,
    "001": source_001.CLAIMS,
    "002": source_002.CLAIMS,
    "003": source_003.CLAIMS,
    "004": source_004.CLAIMS,
    "more": suggested.CLAIMS,
}
