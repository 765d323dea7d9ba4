"""The hunts: what is planted, the hints in order, and the story of the bug where it was published.

A row re-creates the mistake in our own words, in a line or two of a file of `parts/`; the source is where it was
reported.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import ClassVar

from handgrad.check import CheckError, GradientCheck, check_file
from handgrad.hunt.task import rules, tools
from handgrad.hunt.text import refuse_missing

PARTS = Path(__file__).parent / "parts"
READ = "Read first, guess, then check: that is how you learn it."
ROOMS = ("activations", "layers", "losses", "nets")
"""The files of parts."""


@dataclass(frozen=True)
class Hunt:
    """One bug: `right` are the lines of a file of parts that become `wrong`."""

    file: ClassVar[str] = "parts.py"
    faulty: ClassVar[str] = "one wrong backward"

    part: str  # the class that it is in
    like: str | None  # the same by PyTorch, if it has that
    symptom: str  # what the learner is told
    right: str
    wrong: str
    hints: tuple[str, str, str]
    title: str
    story: str
    lesson: str
    source: str
    inputs: str = ""  # of the check: a name in that file, where what is drawn would not show the bug

    @property
    def room(self) -> str:
        """The name of the file that has the part."""
        return next(name for name in ROOMS if f"\nclass {self.part}:" in plain(name))

    def check(self, file: Path) -> GradientCheck:
        """Check the part as it stands in `file`, beside the right one, at the inputs of the file as it is right.

        ValueError in one line for a file that lacks a function of the task's, or whose part has another output.
        """
        refuse_missing(file, self.planted(), plain(self.room))
        right = f"{PARTS / self.room}.py"
        inputs = f"{right}:{self.inputs}" if self.inputs else None
        own = f"{file}:{self.part}"
        try:
            found = check_file(own, f"{right}:{self.part}", inputs=inputs)
        except CheckError as error:
            check_file(own, inputs=inputs)  # where it fails alone too, that is said
            raise ValueError(f"{self.part}.forward was changed, or a gradient is missing: {error}") from error
        if found.other_output:
            raise ValueError(f"{self.part}.forward was changed: its output is another; every forward was right")
        return found

    def planted(self) -> str:
        """The file with the bug in it."""
        return plain(self.room).replace(self.right, self.wrong, 1)

    @property
    def lines(self) -> range:
        """The lines of the file, from 1, that the bug is in."""
        first = plain(self.room).partition(self.right)[0].count("\n") + 1
        return range(first, first + self.wrong.rstrip("\n").count("\n") + 1)

    def told(self) -> str:
        """The bug and its story."""

        def code(line: str) -> str:
            return line.strip().replace("\n        ", "\n         ")

        lines = [f"{self.title} ({self.part})", "", f"  wrong  {code(self.wrong)}", f"  right  {code(self.right)}"]
        for text in (self.story, self.lesson):
            lines += ["", fill(text, 100)]
        return "\n".join([*lines, "", f"Source: {self.source}"])

    def task(self, key: int | str, symptom: str) -> str:
        """The page beside the file: the symptom and the tools, not the place."""
        first, *_ = re.findall(r"^class (\w+)", plain(self.room), re.MULTILINE)
        arrays = re.findall(r"^([A-Z]+) = ", plain(self.room), re.MULTILINE)
        likes = (f'handgrad check parts.py:{h.part} --like "{h.like}"' for h in HUNTS if h.room == self.room and h.like)
        commands = {f"handgrad check parts.py:{first}": "a part against difference quotients"}
        commands |= dict.fromkeys(list(likes)[:1], "beside PyTorch's, where it has the same")
        commands |= {
            f"handgrad check parts.py:PART --inputs parts.py:{name}": "at inputs of the file" for name in arrays
        }
        drawn = "The inputs that the check draws need not show this bug: those of "
        drawn = f"{drawn}`--inputs parts.py:{self.inputs}` do. " if self.inputs else ""
        return f"""# Bug {key}

> {symptom}

`parts.py` has {self.room}, each with a forward and a backward pass. Every forward is right, and so is every backward
but one. Find it and repair it.

{tools(commands)}

{fill(f"{drawn}The check finds the bug, of course. {READ}", 120, break_on_hyphens=False)}

{rules(key, self.file)}
"""


def plain(room: str) -> str:
    """A file of parts as it is right."""
    return (PARTS / f"{room}.py").read_text(encoding="utf-8").removeprefix("# mypy: ignore-errors\n")


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
        inputs="FAR",
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
        inputs="FAR",
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
        inputs="FAR",
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
    Hunt(
        part="Sigmoid",
        like="torch.nn.Sigmoid",
        symptom="Inputs far from 0 get enormous gradients, although the function is flat there.",
        right="return grad * self.y * (1 - self.y)",
        wrong="return grad * self.x * (1 - self.x)",
        hints=(
            "Which function has a slope between 0 and 1/4 everywhere? Try an input of 10.",
            "Sigmoid keeps two arrays. Which of them is between 0 and 1?",
            "σ′ = y(1 − y), in terms of the output.",
        ),
        title="The derivative, taken at the input",
        story="The solution of an exercise in a book of interview questions had the derivative of the sigmoid as "
        "x(1 − x), with x what goes into it. The author's own note says that it has to be y(1 − y).",
        lesson="A derivative in terms of the output is short, and right for the output alone. Call the two by two "
        "names.",
        source=f"{GITHUB}/BoltzmannEntropy/interviews.ai/issues/4",
    ),
    Hunt(
        part="HardSigmoid",
        like="torch.nn.Hardsigmoid",
        symptom="A gate that is shut, or open, as far as it can be is pushed on all the same.",
        right="return grad / 6 * (np.abs(self.x) < 3)",
        wrong="return grad / 6",
        hints=(
            "Which part of the file cuts off what is too small or too large?",
            "HardSigmoid: compare an input of −5 with one of −5.1. What should the gradient be?",
            "Where the forward cuts off, the slope is 0; the planted line has 1/6 everywhere.",
        ),
        title="Flat forward, steep backward",
        story="In an early version of a large framework, as a user showed with four inputs between −5 and −2, the "
        "backward of the hard sigmoid gave 1/6 below −3 too, where the output is 0.",
        lesson="What cuts off in the forward is a switch in the backward. Test it on both sides of every bend.",
        source=f"{GITHUB}/pytorch/pytorch/issues/51408",
        inputs="FAR",
    ),
    Hunt(
        part="PReLU",
        like=None,
        symptom="All is well until a slope that is learnt becomes negative.",
        right="above = self.x > 0",
        wrong="above = self.y > 0",
        hints=(
            "What in this file decides by a sign, and the sign of what?",
            "PReLU, with its slope of −0.2: what is y where x is −1?",
            "With a negative slope the outputs are positive on both sides. The input tells them apart.",
        ),
        title="The sign of the wrong array",
        story="A framework's gradient of PReLU asked whether the output is positive. A reviewer gave a slope of −0.3 "
        "and x = −1: the output is 0.3, and the gradient of the slope came out as 0.",
        lesson="The output may stand for the input only where it tells the cases apart, for all parameters there may "
        "be.",
        source=f"{GITHUB}/PaddlePaddle/Paddle/pull/12538",
    ),
    Hunt(
        part="GELU",
        like="torch.nn.GELU",
        symptom="Every test with a tolerance of a thousandth passes.",
        right="slope = self.phi + self.x * np.exp(-(self.x**2) / 2) / math.sqrt(2 * math.pi)",
        wrong="t = np.tanh(0.7978845608 * (self.x + 0.044715 * self.x**3))\n"
        "        slope = (1 + t + self.x * (1 - t**2) * 0.7978845608 * (1 + 0.134145 * self.x**2)) / 2",
        hints=(
            "One part here is known in two forms: an exact one, and one that is nearly the same.",
            "GELU's forward uses the error function. Does its backward belong to that?",
            "The planted slope is that of the approximation by tanh.",
        ),
        title="Wrong by half a thousandth",
        story="Asked for the exact GELU, two back ends of a kernel library computed the approximation by tanh. "
        "The error was 4.7e-4 at most: the test's tolerance was too wide to see it, and its inputs went "
        "from −2.3 to −1.8 only. Here it is the slope that is the approximation's.",
        lesson="A tolerance picked by hand hides what is smaller. Ask how large rounding can be, and accept no more.",
        source=f"{GITHUB}/NVIDIA/TileGym/pull/197",
    ),
    Hunt(
        part="Huber",
        like="torch.nn.HuberLoss",
        symptom="The worst predictions are never corrected.",
        right="return np.where(np.abs(self.d) <= 1, self.d, np.sign(self.d)) / self.d.size",
        wrong="return np.where(np.abs(self.d) <= 1, self.d, 0) / self.d.size",
        hints=(
            "Which loss here treats large errors in a way of their own?",
            "Huber's value still grows where |d| is 5. Does its gradient say so?",
            "Beyond 1 the slope is ±1, and not 0.",
        ),
        title="Clipped into silence",
        story="A reproduction of deep Q-learning clipped the difference itself, and squared it then: beyond the limit "
        "the gradient is 0, exactly where it should be largest. Meant was a gradient that stays ±1.",
        lesson="To clip an error is to say that it does not matter by how much. Clip the gradient, not what it is of.",
        source=f"{GITHUB}/spragunr/deep_q_rl/issues/46",
        inputs="FAR",
    ),
    Hunt(
        part="BinaryCrossEntropy",
        like="torch.nn.BCEWithLogitsLoss",
        symptom="The net learns to say yes, and says it to everything.",
        right="return (self.p - self.t) / self.t.size",
        wrong="return self.t * (self.p - 1) / self.t.size",
        hints=(
            "Which examples does a classifier need, to learn when to say no?",
            "BinaryCrossEntropy: what is the gradient where the target is 0?",
            "One of the two terms of the loss was differentiated. p − t has both.",
        ),
        title="Zeros that teach nothing",
        story="In a Java library's binary cross-entropy the gradient was 0 wherever the label is 0, also for a "
        "single output. Its maintainer confirmed it: the gradient checks of this loss fail.",
        lesson="A loss with cases needs an example of each. Check with targets of 0 and of 1.",
        source=f"{GITHUB}/deeplearning4j/nd4j/issues/1328",
        inputs="BITS",
    ),
    Hunt(
        part="Hinge",
        like=None,
        symptom="The right class is pushed up a little more than the wrong ones are pushed down.",
        right="counts[self.rows, self.t] -= counts.sum(axis=1)",
        wrong="counts[self.rows, self.t] = -counts.sum(axis=1)",
        hints=(
            "Adding one number to all scores changes no margin. What must a row of the gradient sum to?",
            "In Hinge, what stands at the right class before the line that sets it?",
            "There is a 1 there already, and the sum counts it: subtract, do not assign.",
        ),
        title="= where −= belongs",
        story="A solution of a course's exercise on support vector machines sets the entry of the right class to minus "
        "the number of violated margins, though its own margin, which is always violated, is among them.",
        lesson="If a shift of all inputs changes nothing, the gradient sums to 0. It is the cheapest test of a loss.",
        source=f"{GITHUB}/bruceoutdoors/CS231n/issues/5",
        inputs="CLASSES",
    ),
    Hunt(
        part="Linear",
        like=None,
        symptom="After training all biases are the same number.",
        right="self.grad_weight = self.x.T @ grad\n        self.grad_bias = grad.sum(axis=0)",
        wrong="self.grad_weight = self.x.T @ grad\n        self.grad_bias = grad.sum()",
        hints=(
            "Which gradient has fewer axes than it should, and nothing complains?",
            "Linear has two parameters. Print the shapes of their gradients.",
            "A sum without an axis is one number, and spreads over all biases.",
        ),
        title="A sum without an axis",
        story="A lecture's notebook for softmax regression adds up the gradient of the bias over samples and classes. "
        "The one number spreads over the three biases: they come out equal, and a reader saw it in the printed "
        "weights.",
        lesson="A gradient has the shape of what it is the gradient of. Assert it: broadcasting will not.",
        source=f"{GITHUB}/rasbt/stat453-deep-learning-ss21/issues/5",
    ),
    Hunt(
        part="Embedding",
        like=None,
        symptom="Frequent words are learnt as slowly as rare ones.",
        right="np.add.at(self.grad_weight, self.index, grad)",
        wrong="self.grad_weight[self.index] += grad",
        hints=(
            "What happens if a sentence has the same word twice?",
            "Embedding: an index that occurs twice should get the sum of two rows. Does it?",
            "NumPy's a[index] += b adds once for each place, however often the index names it.",
        ),
        title="Added once, however often",
        story="A student of a well-known series of lectures asks why the loop over examples, with the words of each as "
        "the index, gives the wrong gradient of the table. The answer: of an index that is repeated, the last one "
        "counts.",
        lesson="Look-up forward is addition backward. Test it with an index that occurs twice.",
        source=f"{GITHUB}/karpathy/nn-zero-to-hero/issues/57",
        inputs="REPEATED",
    ),
    Hunt(
        part="RMSNorm",
        like=None,
        symptom="As long as its weights are 1, as they are at first, nothing is wrong.",
        right="self.grad_weight = (grad * self.hat).sum(axis=0)\n        g = grad * self.weight",
        wrong="self.grad_weight = (grad * self.hat).sum(axis=0)\n        g = grad",
        hints=(
            "Parameters often start at a number that hides them. Which number is that for a factor?",
            "Follow grad through RMSNorm: y is weight times something.",
            "The factor weight is missing on the way back.",
        ),
        title="The weight, left out on the way back",
        story="Reviewing a kernel for another project, a developer found the mistake in his own RMSNorm: he had "
        "forgotten "
        "to multiply by the weight in the backward pass, and had chased it for days.",
        lesson="Check with parameters that are not at their initial values: 0 and 1 hide a missing term or factor.",
        source=f"{GITHUB}/karpathy/llm.c/pull/763",
    ),
    Hunt(
        part="RMSNorm",
        like=None,
        symptom="Making a row twice as long changes no output; the gradient says that it does.",
        right="return self.scale * (g - self.hat * (g * self.hat).mean(axis=-1, keepdims=True))",
        wrong="return self.scale * g",
        hints=(
            "A function that ignores the length of a row has a gradient that is orthogonal to it. Which part has not?",
            "RMSNorm divides by a number. Of what is that number made?",
            "The scale depends on x too: a second path, with a term of its own.",
        ),
        title="A scale taken for a constant",
        story="A wrapper in a .NET library multiplied by weight/rms and was done: a review notes that rms depends on "
        "the "
        "input, so a whole term of the gradient is missing, and that another function of the same class has it.",
        lesson="Draw every path from x to y. A statistic of x is a path.",
        source=f"{GITHUB}/ooples/AiDotNet/pull/695",
    ),
    Hunt(
        part="Normalize",
        like=None,
        symptom="Long rows are all right, short rows are not.",
        right="return grad / self.length - self.x * along / (self.norm * self.length**2)",
        wrong="return grad / self.length - self.x * along / self.length**3",
        hints=(
            "Some formulas have a small number that keeps them finite. When is it not small?",
            "Normalize: write the derivative of 1/(‖x‖ + ε) with ε in it.",
            "∂‖x‖/∂x is x/‖x‖, without ε. The planted line has ε in all three factors.",
        ),
        title="An ε that is not negligible",
        story="The backward pass of a framework's L2 normalization was wrong for an ε that is not negligible, "
        "says the pull request that put it right. With the usual tiny ε no test could see it.",
        lesson="Differentiate the function that you compute, ε included, and check where ε is seen.",
        source=f"{GITHUB}/chainer/chainer/pull/4190",
    ),
    Hunt(
        part="MaxPool",
        like=None,
        symptom="The course's own gradient check passes: its windows do not overlap.",
        right="back[rows, self.place[:, i]] += grad[:, i]",
        wrong="back[rows, self.place[:, i]] = grad[:, i]",
        hints=(
            "Which part uses one input in several outputs?",
            "MaxPool: let one large number win three windows. How much should come back to it?",
            "Each window adds its share; the planted line keeps the last.",
        ),
        title="The last window wins",
        story="A solution of a course's max pooling assigned the gradient instead of adding it. The exercise's test "
        "has "
        "windows of two with a stride of two, which never meet; with three and one, a reader shows, it fails.",
        lesson="An input that is used n times gets n contributions. Test with parts that overlap.",
        source=f"{GITHUB}/0809zheng/CS231n-assignment2019/issues/19",
        inputs="WIDE",
    ),
    Hunt(
        part="Convolution",
        like=None,
        symptom="With a kernel that reads the same from both ends everything is right.",
        right="return sum(w * wide[:, 2 - k : 4 - k + size] for k, w in enumerate(self.weight))",
        wrong="return sum(w * wide[:, k : k + 2 + size] for k, w in enumerate(self.weight))",
        hints=(
            "Symmetric test data hide an order. Which part has an order of its own?",
            "Convolution: move one input. Which outputs change, and by which weight each?",
            "What comes back is a convolution with the kernel turned round.",
        ),
        title="A kernel turned the wrong way",
        story="A reader of a Matlab toolbox compares the backward pass of its convolutional autoencoder with his own "
        "derivation: the kernel is flipped once, and has to be flipped twice, once for the routine that flips by "
        "itself.",
        lesson="Know whether your routine convolves or correlates, and test with a kernel that is not symmetric.",
        source=f"{GITHUB}/rasmusbergpalm/DeepLearnToolbox/issues/41",
        inputs="WIDE",
    ),
    Hunt(
        part="Residual",
        like=None,
        symptom="The way around the layer, made for deep nets, does not help: gradients vanish as before.",
        right="return grad + inner @ self.weight.T",
        wrong="return (grad * (1 - self.h**2) + inner) @ self.weight.T",
        hints=(
            "Which part has two ways from x to y?",
            "Residual: what should come back if the weight is 0?",
            "What takes the way around passes no layer, and is added after it.",
        ),
        title="Around the layer, and through it",
        story="A kernel that normalizes a sum, and hands on the sum as well, added the two gradients first and sent "
        "both "
        "through the norm. The one of the sum itself goes around it.",
        lesson="Backward is forward read from the end: what was added there is added here, after its own path.",
        source=f"{GITHUB}/Dao-AILab/quack/pull/53",
    ),
    Hunt(
        part="ForgetGate",
        like=None,
        symptom="A gate that is wide open is pulled hardest.",
        right="grad_f = grad * self.c * self.s * (1 - self.s)",
        wrong="grad_f = grad * self.c * self.s",
        hints=(
            "What should the gradient of a gate be that is open as far as it can be?",
            "ForgetGate: which function was applied to f, and what is its derivative?",
            "σ stands where σ′ belongs.",
        ),
        title="The function for its derivative",
        story="A notebook with an LSTM in NumPy has one function for the sigmoid and its derivative, told "
        "apart by a flag; at the forget gate the flag is missing. A reader noticed it in studying the "
        "code line by line.",
        lesson="One function with two meanings by a flag is an invitation. Two functions have two names.",
        source=f"{GITHUB}/CaptainE/RNN-LSTM-in-numpy/issues/1",
    ),
    Hunt(
        part="Recurrent",
        like=None,
        symptom="It learns what the last input says, and never what an earlier one meant.",
        right="back[t] = (grad[t] + later) * (1 - self.h[t + 1] ** 2)",
        wrong="back[t] = grad[t] * (1 - self.h[t + 1] ** 2)",
        hints=(
            "A state is used twice: for the output, and for the next state.",
            "Recurrent: let the last output alone matter. What comes back to the first row?",
            "later is computed, and used by nobody.",
        ),
        title="A past without consequences",
        story="In a recurrent net written by hand the gradient of a state came from its own output alone: what later "
        "states send back was not passed on, a reader reports with the corrected loop.",
        lesson="A state has two users. Check a sequence of at least three steps, with a loss of the last alone.",
        source=f"{GITHUB}/qixianbiao/RNN/issues/2",
    ),
)
