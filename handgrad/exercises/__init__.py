"""Exercises: layers, losses and optimizers with their main body left out, to be written by the student and judged."""

from handgrad.exercises.attempt import Attempt, attempt
from handgrad.exercises.table import EXERCISES, Exercise

__all__ = ["EXERCISES", "Attempt", "Exercise", "attempt"]
