"""The sheet and its key as pages that print on one sheet of A4."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from handgrad.report import template
from handgrad.worksheet.sheet import ACTIVATIONS, LOSSES, Sheet, Values, named


@dataclass(frozen=True)
class Grid:
    """A table of numbers or blanks under one name; None is a blank."""

    symbol: str
    rows: tuple[tuple[str | None, ...], ...]
    name: str  # of the rows and columns, in words


@dataclass(frozen=True)
class Part:
    """A formula, and the boxes that it fills."""

    formula: str
    grids: tuple[Grid, ...]


def page(sheet: Sheet, key: Values | None = None) -> str:
    """The sheet with blanks, or with `key` in them."""
    path = Path(__file__).parent / "sheet.html.j2"
    return template.render(
        path,
        sheet=sheet,
        key=key is not None,
        net="-".join(map(str, sheet.sizes)),
        lr=written(sheet.lr),
        activation=ACTIVATIONS[sheet.activation].formula,
        loss=LOSSES[sheet.loss],
        given=_given(sheet),
        sections=_sections(sheet, key or {}),
    )


def written(value: Fraction) -> str:
    """With the typographer's minus."""
    return str(value).replace("-", "−")


def _grid(symbol: str, values: Values, shape: tuple[int, ...], name: str = "") -> Grid:
    """A matrix, a vector as one row, or one number."""
    rows, columns = (1, 1) if not shape else (1, shape[0]) if len(shape) == 1 else (shape[0], shape[1])

    def cell(i: int, j: int) -> str | None:
        value = values.get(named(symbol, *((i, j)[-len(shape) :] if shape else ())))
        return None if value is None else written(value)

    return Grid(symbol, tuple(tuple(cell(i, j) for j in range(columns)) for i in range(rows)), name)


def _given(s: Sheet) -> list[Grid]:
    grids = [
        _grid("x", s.given, (s.samples, s.sizes[0]), "row: sample"),
        _grid("t", s.given, (s.samples, s.sizes[-1]), "row: sample"),
    ]
    for k in range(1, s.layers + 1):
        grids.append(_grid(f"W{k}", s.given, (s.sizes[k], s.sizes[k - 1]), "row: unit"))
        grids.append(_grid(f"b{k}", s.given, (s.sizes[k],)))
    return grids


def _sections(s: Sheet, values: Values) -> list[tuple[str, list[Part]]]:
    last = s.layers
    f = "" if s.activation == "identity" else "f′(z) · "
    ahead, back, update = [], [], []
    for k in range(1, last):
        shape = (s.samples, s.sizes[k])
        ahead.append(
            Part(
                f"z{k}[n,i] = Σⱼ {s.input_of(k)}[n,j] · W{k}[i,j] + b{k}[i],   a{k} = f(z{k})",
                (_grid(f"z{k}", values, shape), _grid(f"a{k}", values, shape)),
            )
        )
    outputs = (s.samples, s.sizes[last])
    ahead.append(
        Part(f"y[n,i] = Σⱼ {s.input_of(last)}[n,j] · W{last}[i,j] + b{last}[i]", (_grid("y", values, outputs),))
    )
    fraction = ("½ · " if s.loss == "half" else "") + (f"1/{s.divisor} · " if s.divisor > 1 else "")
    loss = [
        Part(f"L = {fraction}Σ (y − t)²", (_grid("L", values, ()),)),
        Part("dL/dy: differentiate L by hand", (_grid("dL/dy", values, outputs),)),
    ]
    for k in range(last, 0, -1):
        delta = s.gradient_at(k)
        back.append(
            Part(
                f"dL/dW{k}[i,j] = Σₙ {delta}[n,i] · {s.input_of(k)}[n,j],   dL/db{k}[i] = Σₙ {delta}[n,i]",
                (
                    _grid(f"dL/dW{k}", values, (s.sizes[k], s.sizes[k - 1])),
                    _grid(f"dL/db{k}", values, (s.sizes[k],)),
                ),
            )
        )
        if k > 1:
            back.append(
                Part(
                    f"dL/dz{k - 1}[n,i] = {f.replace('z', f'z{k - 1}[n,i]')}Σₘ {delta}[n,m] · W{k}[m,i]",
                    (_grid(f"dL/dz{k - 1}", values, (s.samples, s.sizes[k - 1])),),
                )
            )
    for k in range(1, last + 1):
        update.append(_grid(f"new W{k}", values, (s.sizes[k], s.sizes[k - 1])))
        update.append(_grid(f"new b{k}", values, (s.sizes[k],)))
    step = Part(f"new W = W − {written(s.lr)} · dL/dW,   new b = b − {written(s.lr)} · dL/db", tuple(update))
    return [("Forward", ahead), ("Loss", loss), ("Backward", back), ("Update", [step])]
