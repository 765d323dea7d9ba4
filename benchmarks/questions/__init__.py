"""What is asked. A question is a file with a `Question`, and a row here."""

from benchmarks.nets import Case
from benchmarks.questions.accuracy import ACCURACY
from benchmarks.questions.crossover import CROSSOVER
from benchmarks.questions.floor import FLOOR
from benchmarks.questions.forward import FORWARD, LATENCY
from benchmarks.questions.gpu import GPU
from benchmarks.questions.lines import LINES
from benchmarks.questions.memory import MEMORY
from benchmarks.questions.phases import PHASES_QUESTION
from benchmarks.questions.processes import PROCESSES
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.questions.scaling import SCALING
from benchmarks.questions.step import STEP
from benchmarks.questions.ways import WAYS_QUESTION
from benchmarks.questions.which import WHICH

__all__ = ["QUESTIONS", "Case", "Question", "Settings", "Table"]

QUESTIONS: dict[str, Question] = {
    question.name: question
    for question in (
        *(STEP, FLOOR, PHASES_QUESTION, LINES, WAYS_QUESTION, FORWARD, LATENCY),
        *(SCALING, CROSSOVER, WHICH, MEMORY, ACCURACY, PROCESSES, GPU),
    )
}
"""In the order of the page."""
