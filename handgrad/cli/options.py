"""The options of several commands, each declared once: its name, what it accepts, its help.

A parser gives the value of a text, or raises BadInputError in our words, which say what is allowed.
"""

import ast
import difflib
import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Annotated, Any, TypeVar

import typer

from contract.names import ACTIVATIONS
from handgrad.errors import BadInputError
from handgrad.format import shortened

OPTIMIZERS = {
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "adamax": "Adamax",
    "nadam": "NAdam",
    "radam": "RAdam",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
    "rmsprop": "RMSprop",
    "rprop": "Rprop",
    "asgd": "ASGD",
    "adafactor": "Adafactor",
    "lbfgs": "LBFGS",
}
DTYPES = ("float32", "float64")
MOST = 10**9  # of anything that is counted: beyond it a typing error is likelier
DEEPEST = 100  # hidden layers: the same

KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
Command = TypeVar("Command", bound=Callable[..., Any])
Parser = Callable[[str, str], Any]
"""The value of an option, of its name and the text that was given for it."""


def option(name: str, parse: Parser, metavar: str, help: str, **more: Any) -> Any:
    """`--name`, whose text `parse` turns into a value."""
    return typer.Option(f"--{name}", parser=parser(f"--{name}", parse), metavar=metavar, help=help, **more)


def parser(name: str, parse: Parser) -> Callable[[Any], Any]:
    def parsed(given: Any) -> Any:
        return parse(name, given) if isinstance(given, str) else given  # a default is a value already

    return parsed


# --- parsers ----------------------------------------------------------------------------------------------------------


def choice(option: str, text: str, allowed: Iterable[str]) -> str:
    names = list(allowed)
    if text in names:
        return text
    near = difflib.get_close_matches(text, names, n=1, cutoff=0.4)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise BadInputError(f"{option} must be one of {', '.join(names)}; got {shortened(text)}{hint}")


def whole(option: str, text: str, low: int = 1, high: int = MOST) -> int:
    value = _count(text)
    if low <= value <= high:
        return value
    allowed = f">= {low}" if value < low and high == MOST else f"from {low} to {high}"
    raise BadInputError(f"{option} must be a whole number {allowed}; got {shortened(text)}")


def _count(text: str) -> int:
    """The number that the digits say, at least where it is no more than MOST; -1 where the text is none.

    `int` reads other scripts' digits too, and refuses numbers of more than 4,300.
    """
    return int(text.lstrip("0")[:20] or "0") if text.isascii() and text.isdecimal() else -1


def rate(option: str, text: str) -> float:
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if 0 <= value < math.inf:
        return value
    raise BadInputError(f"{option} must be a finite number >= 0; got {shortened(text)}")


def widths(option: str, text: str) -> tuple[int, ...]:
    found = tuple(_count(part.strip()) for part in text.split(","))
    if all(1 <= width <= MOST for width in found):
        return found
    raise BadInputError(f"{option} must be whole numbers >= 1 with commas between, as in 64,32; got {shortened(text)}")


def sizes(option: str, text: str) -> tuple[int, ...]:
    found = tuple(map(_count, text.split("-")))
    if len(found) > 1 and all(1 <= width <= MOST for width in found):
        return found
    raise BadInputError(f"{option} must be widths >= 1 with hyphens between, as in 784-128-10; got {shortened(text)}")


def optimizer(option: str, text: str) -> str:
    return OPTIMIZERS[choice(option, text.lower(), OPTIMIZERS)]


def loss(option: str, text: str) -> str:
    import scratch

    classes = {name: x for name, x in vars(scratch).items() if isinstance(x, type) and issubclass(x, scratch.Loss)}
    return choice(option, text, sorted(classes.keys() - {"Loss"}))


def settings(option: str, text: str) -> dict[str, Any]:
    """Options by name, as in momentum=0.9,nesterov=true,betas=(0.9,0.99). A word is text, which its option judges."""
    found: dict[str, Any] = {}
    for part in re.split(r",(?![^(]*\))", text):
        name, given, value = (piece.strip() for piece in part.partition("="))
        try:
            if not (name.isidentifier() and given) or name in found:
                raise ValueError
            literal = {"true": "True", "false": "False", "none": "None"}.get(value, value)
            word = literal.isidentifier() and literal not in ("True", "False", "None")
            found[name] = literal if word else ast.literal_eval(literal)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            wanted = "options with values, each once, as in momentum=0.9,nesterov=true,betas=(0.9,0.99)"
            raise BadInputError(f"{option} must be {wanted}; got {shortened(part)}") from None
    return found


activation: Parser = partial(choice, allowed=ACTIVATIONS)
dtype: Parser = partial(choice, allowed=DTYPES)
depth: Parser = partial(whole, high=DEEPEST)
seed: Parser = partial(whole, low=0, high=2**32 - 1)
seeds: Parser = partial(whole, high=10_000)


def several(parse: Parser) -> Parser:
    """The values of one axis, none of them twice."""

    def parsed(option: str, text: str) -> tuple[Any, ...]:
        parts = [part.strip() for part in text.split(",")]
        if "" in parts:
            raise BadInputError(f"{option} must be values with commas between, and none of them empty; got {text!r}")
        values = [parse(option, part) for part in parts]
        if twice := [part for part, value in zip(parts, values, strict=True) if values.count(value) > 1]:
            raise BadInputError(f"{option} must name every value once; got {twice[-1]!r} twice in {text!r}")
        return tuple(values)

    return parsed


# --- options ----------------------------------------------------------------------------------------------------------

# A value of several parts is annotated as Any: typer would take several arguments for a tuple.
Name = Annotated[str, typer.Argument(metavar="NAME", help="An experiment; `handgrad list` shows them.")]
CsvFile = Annotated[str | None, typer.Option("--csv", metavar="FILE", help="Your own data instead of a NAME.")]
Target = Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="Of the CSV file: what to learn.")]
Missing = Annotated[
    str | None,
    typer.Option("--missing", metavar="HOW", help="Missing values of the CSV file: refuse, drop or fill."),
]
LeaveOut = Annotated[
    str | None, typer.Option("--leave-out", metavar="COLUMN,...", help="Columns of the CSV file to leave out.")
]
Device = Annotated[str, typer.Option("--device", help="Where the PyTorch side computes: cpu, cuda, cuda:1 ...")]

RECIPE: dict[str, Any] = {
    "epochs": Annotated[int | None, option("epochs", whole, "N", "Passes over the training data.")],
    "lr": Annotated[float | None, option("lr", rate, "X", "Learning rate.")],
    "batch_size": Annotated[int | None, option("batch-size", whole, "N", "Examples per step.")],
    "points": Annotated[
        int | None, option("points", whole, "N", "How many points are made, of data that a recipe makes.")
    ],
    "optimizer": Annotated[
        str | None,
        option(
            "optimizer",
            optimizer,
            "NAME",
            f"One of {', '.join(OPTIMIZERS)}; another than the recipe's starts from PyTorch's defaults.",
        ),
    ],
    "optimizer_options": Annotated[
        Any,
        option(
            "optimizer-options",
            settings,
            "NAME=X,...",
            "Of the optimizer, by PyTorch's names, as in betas=(0.9,0.99),amsgrad=true.",
        ),
    ],
    "momentum": Annotated[float | None, option("momentum", rate, "X", "Of the optimizer, where it has one.")],
    "weight_decay": Annotated[float | None, option("weight-decay", rate, "X", "Of the optimizer, where it has one.")],
    "loss": Annotated[
        str | None, option("loss", loss, "NAME", "Class name, as MSELoss or CrossEntropyLoss; the targets must fit it.")
    ],
    "class_weights": Annotated[
        str | None,
        option(
            "class-weights",
            partial(choice, allowed=("balanced",)),
            "balanced",
            "Let every class weigh the same in the loss, however rare it is.",
        ),
    ],
    "hidden": Annotated[Any, option("hidden", widths, "N,N", "Widths of the hidden layers, as in 64,32.")],
    "activation": Annotated[str | None, option("activation", activation, "NAME", f"One of {', '.join(ACTIVATIONS)}.")],
    "seed": Annotated[int | None, option("seed", seed, "N", "Of weights, batches and generated data.")],
    "dtype": Annotated[str | None, option("dtype", dtype, "NAME", f"{' or '.join(DTYPES)}.")],
    "judge_every": Annotated[int | None, option("judge-every", whole, "N", "Judge every n-th step, and the last.")],
}
"""The options that replace a field of the experiment, by its name."""
Epochs, Points, Dtype = RECIPE["epochs"], RECIPE["points"], RECIPE["dtype"]
OptimizerOptions, Loss, ClassWeights = RECIPE["optimizer_options"], RECIPE["loss"], RECIPE["class_weights"]
CheckpointEvery = Annotated[
    float | None,
    option(
        "checkpoint-every",
        rate,
        "SECONDS",
        "How often a checkpoint is written; 0: after every step.",
        show_default="10, and so rarely that it costs 1 % at most",
    ),
]
Hint = Annotated[Any, option("hint", partial(whole, high=3), "1|2|3", "A hint: 1 says little, 3 nearly all.")]


def takes(*names: str) -> Callable[[Command], Command]:
    """A command whose `**recipe` are these options of RECIPE. What the user did not give is None there."""

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
        more = [inspect.Parameter(name, KEYWORD_ONLY, default=None, annotation=RECIPE[name]) for name in names]
        command.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]  # inspect reads it
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *more)}
        return command

    return decorate


def given(recipe: Mapping[str, Any], fields: Iterable[str] | None = None) -> dict[str, Any]:
    """What the user gave, of these fields if they are named."""
    wanted = recipe if fields is None else fields
    return {field: value for field in wanted if (value := recipe.get(field)) is not None}
