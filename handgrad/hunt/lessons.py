"""What each kind of bug teaches: a question to begin with, and the general lesson at the end.

The kinds are the families of the catalogue (`handgrad.bugs`). A family that is not here is not hunted: it probes the
suite (a number in one entry, a refusal, a schedule) and leaves the steps of a small net as they are.
"""

from typing import NamedTuple


class Lesson(NamedTuple):
    question: str
    lesson: str


FORMULA = Lesson(
    "Each line of the update is a line of the formula above it. Which one is not?",
    "An optimizer that is nearly right trains too. Make one step with pencil and paper, and then a second one.",
)

DIGITS = Lesson(
    "All formulas are right. With how many digits is each computed?",
    "A cast on the way loses half the digits, and no tolerance of a thousandth sees it.",
)

LESSONS = {
    "derivative": Lesson(
        "Of each function on the way: is what backward multiplies by its derivative, at the right argument?",
        "Check a derivative at one point where you know it, and write down whether it is one of x or of y.",
    ),
    "product rule": Lesson(
        "Which function is a product of two things that both depend on x?",
        "A product has a term for each factor that depends on x. Count the terms.",
    ),
    "chain rule": Lesson(
        "Draw every path from x to y, through means and other statistics too. Does backward walk all of them?",
        "A statistic of x is a path, and a function of a function has two factors. A constant is neither.",
    ),
    "missing term": Lesson(
        "Where does a number go two ways? Two gradients have to come back.",
        "What is used twice gets two contributions, and they add.",
    ),
    "branches": Lesson(
        "An input that feeds several branches: what does it get back from each, and what happens to these?",
        "What is a sum forward hands the same gradient to all; what is shared forward adds up what comes back.",
    ),
    "softmax": Lesson(
        "Which outputs does one input of a row move? And are these numbers scores, probabilities or logarithms?",
        "Say of every array whether it has scores, probabilities or logarithms. Where a shift of a row changes "
        "nothing, its gradient sums to 0.",
    ),
    "sign": Lesson(
        "Is every minus where it belongs? Try the direction: does a small step along −gradient make the loss smaller?",
        "A sign that is wrong twice looks right. Test the direction of every part, not that of the whole.",
    ),
    "mask": Lesson(
        "Which side of the kink passes its gradient, and what decides it?",
        "What cuts off forward is a switch in backward, set by the input and never by the gradient. Test both sides.",
    ),
    "ties": Lesson(
        "What happens exactly at a kink? Both sides of it may be right, and it still be wrong.",
        "At a kink the slope is a convention. Choose PyTorch's, and test at the kink itself.",
    ),
    "constant": Lesson(
        "Of the numbers and constants in the code: is each one that of the formula?",
        "A wrong constant changes no shape and no sign. Compare a number with one that was computed another way.",
    ),
    "factor 2": Lesson(
        "Square and half square are both in use. Is it the same one in the value and in the gradient?",
        "½(x − t)² and (x − t)² are both in use. Decide on one, in the value and in the gradient.",
    ),
    "1/N": Lesson(
        "Which of these is a mean and which a sum? What would happen if every sample came twice?",
        "Repeat every sample of the batch: the gradient of a mean must not change.",
    ),
    "sum and mean": Lesson(
        "Which of these is a mean and which a sum? What would happen if every sample came twice?",
        "The gradient of what is shared is a sum over all who share it; a mean belongs where the value has one.",
    ),
    "bias": Lesson(
        "Every row uses the same bias. What is its gradient then, and what does the forward do with it?",
        "A bias is added to every row, so its gradient is the sum over the rows. Check each parameter by name.",
    ),
    "axis": Lesson(
        "Along which axis are the classes, the features, the samples? And what does each sum run over?",
        "Shapes that fit prove nothing. Choose sizes that all differ, or change one sample and see what moves.",
    ),
    "transpose": Lesson(
        "Write the shape under every factor of each product. Then imagine that a layer is square.",
        "In a square layer a forgotten transpose has the right shape. Test with sizes that differ.",
    ),
    "order": Lesson(
        "All the lines may be right. Are their order, and that of the parts, right as well?",
        "Backward is forward read from its end: in reverse order, with the numbers of that forward.",
    ),
    "off by one": Lesson(
        "What happens to the first and to the last one, of the samples and of the classes?",
        "Look at both ends: the first and the last sample, class and row.",
    ),
    "caches": Lesson(
        "What does forward keep for backward? Is it that of this call, and is it what backward takes it for?",
        "A memory belongs to one call. Test two different batches one after the other.",
    ),
    "in place": Lesson(
        "Which line writes into an array that somebody else still reads?",
        "Who writes in place writes into everybody's copy. Compare the inputs of a call before and after it.",
    ),
    "shared state": Lesson(
        "Who counts, and for whom?",
        "State belongs to one parameter. Test with two parameters, and more than one step.",
    ),
    "statistics": Lesson(
        "What is kept from one batch to the next, and how much of it is the new batch's?",
        "Running statistics change no output in training, so training does not show them. Look at the state itself.",
    ),
    "stability": Lesson(
        "Which small number was added to keep something finite, and was it needed?",
        "An ε for safety changes the function. A better formula needs none.",
    ),
    "option ignored": Lesson(
        "Does every option act, in forward and in backward?",
        "Test every option at a value that is not its default.",
    ),
    "option range": Lesson(
        "Which option has a default of its own?",
        "Test every option at its default too: None has a meaning.",
    ),
    "trainer": Lesson(
        "A step has five calls. Are all of them there, once, in order, and with the right argument?",
        "zero_grad, forward, loss, backward, step: a wrong order still makes the loss fall. Judge a step, not a curve.",
    ),
    "weight decay": Lesson(
        "What does the decay act on, how often, and with which rate and sign?",
        "The decay is a second gradient, or a factor of the weights: once, in one place. Test it without any gradient.",
    ),
    "momentum": Lesson(
        "What does the buffer hold after the first step, and after the second?",
        "A buffer shows from the second step on. Make at least two, with gradients that differ.",
    ),
    "nesterov": Lesson(
        "Which buffer moves the weights, that before or that after the gradient was added, and how often?",
        "Nesterov is g + μb with the new buffer. The first steps tell it from plain momentum.",
    ),
    "moments": Lesson(
        "Two running means: of what is each, how much of it is old, and what becomes of it in the step?",
        "A running mean has two weights that sum to 1. Feed it a constant, and it has to end there.",
    ),
    "bias correction": Lesson(
        "What do the running means lack in the first step, and is it made up for?",
        "With a constant gradient every step of Adam has the length lr, the first one too.",
    ),
    "epsilon": Lesson(
        "Where does ε stand: inside the root or outside, before the correction or after?",
        "An ε acts where gradients are small. Test it there, or with a large ε.",
    ),
    **dict.fromkeys(("only float32", "only float64"), DIGITS),
    **dict.fromkeys(("adadelta", "adagrad", "adamax", "nadam", "radam", "rmsprop"), FORMULA),
}
