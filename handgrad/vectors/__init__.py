"""Numbers of any origin before the judge: files of inputs and answers of a known op, read, judged and written.

The format is `docs/vectors.md`. `judge_file` answers for a file that anyone wrote, in any language; `vectors` gives
cases with right answers, edge cases among them, to test another implementation with.
"""

from handgrad.vectors.answer import Answer, judge_file
from handgrad.vectors.case import Case, read, write
from handgrad.vectors.make import vectors
from handgrad.vectors.ops import OPS

__all__ = ["OPS", "Answer", "Case", "judge_file", "read", "vectors", "write"]
