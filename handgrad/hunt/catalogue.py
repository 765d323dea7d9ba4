"""The hunts: what is planted, the hints in order, and the story of the bug where it was published.

A row re-creates the mistake in our own words, in one line of `parts.py`; the source is where it was reported.
"""

from dataclasses import dataclass
from pathlib import Path

from handgrad.check import GradientCheck, check_file

PARTS = Path(__file__).with_name("parts.py")
LOSSES = ("MeanSquaredError", "Huber")


@dataclass(frozen=True)
class Hunt:
    """One bug: `right` is the line of `parts.py` that becomes `wrong`."""

    part: str  # the class that it is in
    like: str | None  # the same by PyTorch, for the check
    symptom: str  # what the learner is told
    right: str
    wrong: str
    hints: tuple[str, str, str]
    title: str
    story: str
    lesson: str
    source: str

    def check(self, file: Path, dtype: str | None = None) -> GradientCheck:
        """Check the part as it stands in `file`, beside PyTorch's; a loss at numbers that are far apart."""
        inputs = f"{PARTS}:FAR" if self.part in LOSSES else None
        return check_file(f"{file}:{self.part}", self.like, dtype=dtype, inputs=inputs)

    def planted(self) -> str:
        """The file with the bug in it."""
        return plain().replace(self.right, self.wrong, 1)


def plain() -> str:
    """The file as it is right."""
    return PARTS.read_text(encoding="utf-8").removeprefix("# mypy: ignore-errors\n")


GITHUB = "https://github.com"

HUNTS = (
    Hunt(
        part="Softmax",
        like="torch.nn.Softmax(-1)",
        symptom="A classifier learns, but its attention weights hardly move.",
        right="return self.y * (grad - (grad * self.y).sum(axis=-1, keepdims=True))",
        wrong="return self.y * (1 - self.y) * grad",
        hints=(
            "Activations are not all alike: of which one does an output depend on every input of its row?",
            "Nudge one input of Softmax. All outputs of the row change; does the backward know?",
            "∂y_i/∂x_j = y_i([i = j] − y_j). The planted line has the terms with i = j alone.",
        ),
        title="Softmax with its diagonal alone",
        story="A C++ tensor library computed the derivative of softmax as y(1 − y), entry by entry, as if "
        "softmax were a sigmoid. The report says that the sum and the case i ≠ j are missing.",
        lesson="Before you write f′, ask which outputs an input reaches. Only if it is one is the Jacobian a diagonal.",
        source=f"{GITHUB}/deeplearning4j/libnd4j/issues/440",
    ),
    Hunt(
        part="LogSoftmax",
        like="torch.nn.LogSoftmax(-1)",
        symptom="Adding the same number to all logits changes no output, yet the gradients of a row do not sum to 0.",
        right="return grad - np.exp(self.y) * grad.sum(axis=-1, keepdims=True)",
        wrong="return grad + np.exp(self.y)",
        hints=(
            "If a shift of a whole row changes nothing, what must the gradient of that row sum to?",
            "LogSoftmax: feed it twice the upstream gradient. Does its answer double?",
            "A backward is linear in grad: every term has a factor of it. The planted one has a term without.",
        ),
        title="Log-softmax that adds what it should multiply",
        story="For inputs 0.1 and 0.9 and ones from above, a C++ library gave 1.31 and 1.69 where 0.38 and "
        "−0.38 are right: the probabilities plus the upstream gradient. The reporter compared the two "
        "numbers with PyTorch's.",
        lesson="Two checks cost nothing: scale the upstream gradient, and use a symmetry of the function.",
        source=f"{GITHUB}/mlpack/mlpack/issues/2360",
    ),
    Hunt(
        part="LeakyReLU",
        like="torch.nn.LeakyReLU(0.1)",
        symptom="Units die although the activation was chosen so that none can.",
        right="return grad * np.where(self.x > 0, 1, self.slope)",
        wrong="return grad * (self.x > 0)",
        hints=(
            "Which activation here promises a gradient below zero?",
            "LeakyReLU: look at one negative input alone.",
            "The forward uses slope; the planted backward never mentions it.",
        ),
        title="Leaky ReLU that leaks forward only",
        story="The backward operation of a large Java framework's native library took no α at all: below zero "
        "nothing came back, so that forward it was a leaky ReLU and backward a plain one.",
        lesson="Every constant of the forward has to appear in the backward, or you must be able to say why not.",
        source=f"{GITHUB}/deeplearning4j/deeplearning4j/issues/8178",
    ),
    Hunt(
        part="Tanh",
        like="torch.nn.Tanh",
        symptom="Near zero, where the activation is steepest, nothing is learnt; where it is flat, the "
        "wrong way round.",
        right="return grad * (1 - self.y**2)",
        wrong="return grad * -(self.y**2)",
        hints=(
            "Draw the activation that is used most in the net, and its slope at 0.",
            "tanh grows everywhere. Can its derivative be negative?",
            "tanh′ = 1 − tanh². One term is missing.",
        ),
        title="Tanh without the 1",
        story="The table of activation functions in a widely copied collection of interview questions gives the "
        "derivative of tanh as −tanh². Readers reported it more than once.",
        lesson="Check a formula at one point you know: tanh is x near 0, so its slope there is 1.",
        source=f"{GITHUB}/scutan90/DeepLearning-500-questions/issues/544",
    ),
    Hunt(
        part="Tanh",
        like="torch.nn.Tanh",
        symptom="It trains, only slower than it should, and no run with a small net shows anything.",
        right="return grad * (1 - self.y**2)",
        wrong="return grad * (1 - np.tanh(self.y) ** 2)",
        hints=(
            "Everything has the right sign and about the right size. Which function is applied to its own result?",
            "In Tanh: is what stands in the backward the input or the output of the forward?",
            "tanh is applied to y, which is a tanh already.",
        ),
        title="The derivative, taken at the output",
        story="A C++ net has two functions that are both right, tanh and its derivative as a function of the "
        "input, and hands the second one the neuron's output. A reader works it through with an input of 0.5.",
        lesson="Write down whether a derivative is a function of x or of y. 1 − y² and 1 − tanh²(x) are the "
        "same number; 1 − tanh²(y) is neither.",
        source=f"{GITHUB}/davidrmiller/neural2d/issues/40",
    ),
    Hunt(
        part="SiLU",
        like="torch.nn.SiLU",
        symptom="The loss explodes in the first step.",
        right="return grad * (1 + self.e + self.x * self.e) / (1 + self.e) ** 2",
        wrong="return grad * (1 + self.e + self.x * self.e / (1 + self.e) ** 2)",
        hints=(
            "Where can a gradient be larger than 1.1, although its function grows by at most that?",
            "SiLU: count what the last division divides.",
            "A pair of parentheses is missing around the sum.",
        ),
        title="A pair of parentheses",
        story="A pull request for SiLU in a Rust library had the right formula in the comment and divided its "
        "last term alone in the code. A reviewer asked for the parentheses; the author had not run a backward yet.",
        lesson="A derivative copied right can still be typed wrong: check the code, not the formula.",
        source=f"{GITHUB}/chelsea0x3b/dfdx/pull/915",
    ),
    Hunt(
        part="Huber",
        like="torch.nn.HuberLoss",
        symptom="The robust loss is robust against outliers on one side only.",
        right="return np.where(np.abs(self.d) <= 1, self.d, np.sign(self.d)) / self.d.size",
        wrong="return np.where(self.d <= 1, self.d, np.sign(self.d)) / self.d.size",
        hints=(
            "Try targets far above and far below the outputs.",
            "Huber's gradient is between −1 and 1 before it is divided. Is yours?",
            "The planted condition compares d with 1, not |d|.",
        ),
        title="Huber without the bars",
        story="A library of Triton kernels switched from the square to the line where d, not |d|, passes the "
        "threshold: on ordinary data about a quarter of the elements took the wrong branch.",
        lesson="Test every branch from both sides. Random inputs that are mostly small never leave the first one.",
        source=f"{GITHUB}/BobMcDear/attorch/issues/13",
    ),
    Hunt(
        part="MeanSquaredError",
        like="torch.nn.MSELoss",
        symptom="Training needs twice the learning rate of the textbook.",
        right="return 2 * self.d / self.d.size",
        wrong="return self.d / self.d.size",
        hints=(
            "The direction is right. Compare the size with a difference quotient.",
            "Of which loss is d/n the gradient?",
            "d² becomes 2d. Without the 2 it is the gradient of half the squared error.",
        ),
        title="The lost 2",
        story="The explanation of an exercise on a site of machine-learning problems had 2/n in the gradient, "
        "its solution 1/n. The maintainer made them agree.",
        lesson="½(x − t)² and (x − t)² are both in use. Decide on one, in the value and in the gradient.",
        source=f"{GITHUB}/Open-Deep-ML/DML-OpenProblem/issues/54",
    ),
    Hunt(
        part="MeanSquaredError",
        like="torch.nn.MSELoss",
        symptom="With a batch of 4 all is well. With a batch of 400 it diverges.",
        right="return 2 * self.d / self.d.size",
        wrong="return 2 * self.d",
        hints=(
            "What grows with the batch, and should not?",
            "The value is a mean. Is the gradient that of a mean?",
            "1/N is missing.",
        ),
        title="The mean that became a sum",
        story="A course's own notebook for backpropagation by hand summed the weight gradients over the batch "
        "and never averaged them. Its four samples hid it; its author shows how repeating them makes it fail.",
        lesson="Repeat every sample of the batch: the gradient of a mean must not change.",
        source=f"{GITHUB}/hunkim/DeepLearningZeroToAll/issues/173",
    ),
    Hunt(
        part="Dropout",
        like=None,
        symptom="Units that were dropped learn all the same.",
        right="return grad * self.mask / (1 - self.p)",
        wrong="return grad / (1 - self.p)",
        hints=(
            "What does a change of a dropped unit's input change in the output?",
            "Dropout's forward multiplies by two things. Count them in the backward.",
            "The mask is missing.",
        ),
        title="Dropout that drops forward only",
        story="The dropout wrapper of a well-known NumPy library for learning divides the gradient by 1 − p, "
        "but does not apply the mask, a reader reports.",
        lesson="What is drawn in the forward has to be kept for the backward.",
        source=f"{GITHUB}/ddbourgin/numpy-ml/issues/94",
    ),
    Hunt(
        part="LayerNorm",
        like=None,
        symptom="Outputs are right, shapes are right, and scale and shift drift strangely.",
        right="self.grad_weight = (grad * self.hat).sum(axis=0)\n        self.grad_bias = grad.sum(axis=0)",
        wrong="self.grad_bias = (grad * self.hat).sum(axis=0)\n        self.grad_weight = grad.sum(axis=0)",
        hints=(
            "The gradient of the input is right. What else does a part with parameters return?",
            "In LayerNorm: what does a change of bias alone do to the output?",
            "Two names have changed places.",
        ),
        title="Weight and bias, exchanged",
        story="In one framework's layer norm forward results agreed with PyTorch's and the gradients of weight "
        "and bias were each other's: they had been assigned the wrong way round. Both have one shape, so "
        "nothing complained.",
        lesson="Equal shapes hide exchanged arguments. Check every gradient by name.",
        source=f"{GITHUB}/Oneflow-Inc/oneflow/pull/6149",
    ),
    Hunt(
        part="Net",
        like=None,
        symptom="A two-layer net trains a little worse than its twin in PyTorch, the more so the larger the step.",
        right="inner = outer @ self.w2.T * (1 - self.h**2)\n        back = inner @ self.w1.T\n"
        "        self.w2 -= lr * self.h.T @ outer\n",
        wrong="self.w2 -= lr * self.h.T @ outer\n        inner = outer @ self.w2.T * (1 - self.h**2)\n"
        "        back = inner @ self.w1.T\n",
        hints=(
            "All lines are right. Is their order?",
            "The smaller lr, the smaller the error. What does lr reach?",
            "Net uses w2 after it has changed it.",
        ),
        title="The new weights, used too early",
        story="The code of a book on data science updates the output weights before it carries the error through "
        "them. A reader asks which order is right; others found the same in other teaching code.",
        lesson="Compute all gradients, then change anything. Better: keep the step out of backward.",
        source=f"{GITHUB}/joelgrus/data-science-from-scratch/issues/31",
    ),
    Hunt(
        part="Net",
        like=None,
        symptom="The output layer behaves as if it had no activation.",
        right="outer = grad * self.y * (1 - self.y)",
        wrong="outer = grad",
        hints=(
            "Count the functions on the way forward, and their derivatives on the way back.",
            "Which of Net's two activations is missing?",
            "σ′ = y(1 − y) of the output.",
        ),
        title="The outer derivative, left out",
        story="A teaching repository's net lets the error pass the output's sigmoid unchanged. The pull request "
        "notes why it trains all the same: the sigmoid grows everywhere, so that every sign stays right.",
        lesson="A net that learns has proved nothing about its gradient.",
        source=f"{GITHUB}/Bot-Academy/NeuralNetworkFromScratch/pull/3",
    ),
)


def task(number: int, hunt: Hunt) -> str:
    """The page beside the file: the symptom and the tools, not the place."""
    return f"""# Bug {number}

> {hunt.symptom}

`parts.py` has the parts of a small net, each with a forward and a backward pass. Every forward is right, and so is
every backward but one. Find it and repair it.

    handgrad check parts.py:Tanh                          # a part against difference quotients
    handgrad check parts.py:Tanh --like torch.nn.Tanh     # and against PyTorch
    handgrad check parts.py:Huber --inputs parts.py:FAR   # a loss where outputs and targets are far apart

The check finds it, of course. Read first, guess, then check: that is how you learn it.

    handgrad hunt {number} --check parts.py     # is it repaired?
    handgrad hunt {number} --hint 1             # 2 and 3 say more
    handgrad hunt {number} --story              # at the end: where it was published, and what it teaches
"""
