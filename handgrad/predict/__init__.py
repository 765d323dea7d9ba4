"""What a trained net answers for rows of a file: the weights that `compare` left, on both sides."""

from handgrad.predict.answers import Answers, answers
from handgrad.predict.weights import Trained, read, write

__all__ = ["Answers", "Trained", "answers", "read", "write"]
