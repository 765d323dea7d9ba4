"""The reference of a Hessian-vector product, in balls: the R-operator over the rules of layers and losses.

With R{q} = d/dr q(w + r v) at r = 0, the product is Hv = R{∇L} (Pearlmutter 1994). Each rule here adds the R-pass to
the first-order rule of the same layer or loss, and reads what that one remembers of the forward pass.

**Any program, not only this scheme.** Double backward (autograd) and forward-over-reverse (the R-operator) evaluate the
same polynomials in the same intermediate quantities; they differ in the order of sums and products, and in what they
factor out. So a sum is bounded in any order (`Ball.sum`, `matmul` over both halves at once), a product of several
factors in any order (`product`), and where one form cancels what another does not, as in softmax, the sizes of all
its terms are rounded (`_terms`).
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.judge import structure
from handgrad.judge.ball import WIDEN, Ball, Float64, Format, matmul, quiet, settle
from handgrad.judge.explain.patterns import Evidence, recognise
from handgrad.judge.rules import layers, losses
from handgrad.judge.rules.activations import rectifiers, sigmoids, softmax
from handgrad.judge.rules.activations.softmax import log_softmax_backward, softmax_backward
from handgrad.judge.rules.losses.binary import BCELoss, BCEWithLogitsLoss
from handgrad.judge.rules.losses.classes import CrossEntropyLoss, NLLLoss
from handgrad.judge.rules.losses.regression import L1Loss, MSELoss
from handgrad.judge.rules.rule import Parameters
from handgrad.judge.verdict import Explain, Verdict

AnyArray = npt.NDArray[Any]
Vector = Mapping[str, AnyArray]

NAME = "hessian_vector_product"

# The terms of the product rule that a program may have forgotten: what such a program computes is a pattern to name.
TERMS = {
    "second": "missing f″: the term g f″ R{x} of the activations (or of softmax) is forgotten",
    "forward": "missing R{W}: the term x R{W}ᵀ of the forward pass is forgotten",
    "bias": "missing R{b} in the forward pass",
    "backward": "missing R{W}: the term δ R{W} of the backward pass is forgotten",
    "input": "missing R{x}: the term δᵀ R{x} of the weight gradient is forgotten",
    "loss": "missing the loss's second derivative",
}


@quiet
def judge_hvp(
    model: Any,
    loss: Any,
    x: AnyArray,
    y: AnyArray,
    vector: Vector,
    product: Mapping[str, Any] | None = None,
    side: str = "",
) -> Verdict:
    """Hv by parameter name. Without `product` it is computed by `hessian_vector_product` of the model's own package.

    Raises `TypeError` for a layer or loss without a rule, and where the model's package has no such function.
    """
    verdict = Verdict(side or structure.side_of(model))
    references = reference_hvp(model, loss, x, y, vector)
    given = _product_of(model)(model, loss, x, y, vector) if product is None else product

    def explain(name: str) -> Explain:
        def bugs() -> Iterator[tuple[str, Ball]]:
            for term, text in TERMS.items():
                yield text, reference_hvp(model, loss, x, y, vector, without=term)[name]

        def text(v: Float64, reference: Ball) -> str:
            counts = {"N": x.shape[0] if x.ndim > 1 else 1}
            return recognise(v, reference, Evidence(name, counts, references, alternatives=bugs))

        return text

    for name, ball in references.items():
        if name in given:
            verdict.check(f"Hessian-vector product at {name}", given[name], ball, explain(name))
        else:
            verdict.numbers += ball.size
            verdict.refuse(f"Hessian-vector product at {name}", "it is missing")
    for name in given:
        if name not in references:
            verdict.refuse(f"Hessian-vector product at {name}", "the model has no such parameter")
    return verdict


@quiet
def reference_hvp(
    model: Any, loss: Any, x: AnyArray, y: AnyArray, vector: Vector, without: str = ""
) -> dict[str, Ball]:
    """The balls of Hv by parameter name; `without` one of `TERMS`, those of a program that forgot it."""
    parameters = {name: structure.array(p.data) for name, p in structure.named_parameters(model)}
    f = Format.of(next(iter(parameters.values()), np.asarray(x)).dtype)
    walk = _Walk(parameters, vector, without)
    rule, criterion = layers.read_model(model), losses.read_loss(loss)
    input, y = f.exact(np.asarray(x).astype(f.dtype)), np.asarray(y)
    output, r, back = walk.through(rule, input, _zero(input))
    criterion.forward(output, y.astype(f.dtype) if y.dtype.kind == "f" else y)
    if type(criterion) not in CURVATURES:
        raise structure.unknown("second derivative", type(criterion).__name__, _names(CURVATURES))
    curved = CURVATURES[type(criterion)](criterion, r)
    back(criterion.backward(), _zero(output) if without == "loss" else curved)
    return {name: walk.products[name] for name in parameters if name in walk.products}


Backward = Callable[[Ball, Ball], tuple[Ball, Ball]]
"""dL/dy and its R → dL/dx and its R."""


class _Walk:
    """One R-pass: the parameters, their direction, the products found, and the term that is left out."""

    def __init__(self, parameters: Parameters, vector: Vector, without: str) -> None:
        self.parameters, self.vector, self.without = parameters, vector, without
        self.products: dict[str, Ball] = {}

    def through(self, rule: layers.Rule, x: Ball, r: Ball) -> tuple[Ball, Ball, Backward]:
        """The output of a rule, its R, and the way back."""
        if isinstance(rule, layers.Parallel):
            branches = [self.through(branch, x, r) for branch in rule.layers]

            def sum_back(g: Ball, rg: Ball) -> tuple[Ball, Ball]:
                gradients = [back(g, rg) for *_, back in branches]
                return layers._stack_sum([a for a, _ in gradients]), layers._stack_sum([b for _, b in gradients])

            values = layers._stack_sum([value for value, *_ in branches])
            return values, layers._stack_sum([moved for _, moved, _ in branches]), sum_back
        if type(rule) is layers.Sequential:
            backs: list[Backward] = []
            for layer in rule.layers:
                x, r, back = self.through(layer, x, r)
                backs.append(back)

            def row_back(g: Ball, rg: Ball) -> tuple[Ball, Ball]:
                for back in reversed(backs):
                    g, rg = back(g, rg)
                return g, rg

            return x, r, row_back
        if isinstance(rule, layers.Linear):
            return self.linear(rule, x, r)
        y = rule.forward(x, self.parameters)
        if type(rule) not in RULES:
            raise structure.unknown("second derivative", type(rule).__name__, _names(RULES))
        forward, backward = RULES[type(rule)]

        def leaf_back(g: Ball, rg: Ball) -> tuple[Ball, Ball]:
            moved = rule.backward(rg, {}) if self.without == "second" else backward(rule, r, g, rg)
            return rule.backward(g, {}), moved

        return y, forward(rule, r), leaf_back

    def linear(self, rule: layers.Linear, x: Ball, r: Ball) -> tuple[Ball, Ball, Backward]:
        """R{z} = R{x} Wᵀ + x Vᵀ + v is the one inner product (R{x}, x)·(W, V) + v, in any order: 2n products and v.

        Backward likewise: R{dW} = R{δ}ᵀ x + δᵀ R{x}, two products per sample; R{db} = Σ R{δ}; R{dx} = R{δ} W + δ V.
        """
        f = x.format
        z = rule.forward(x, self.parameters)
        out, features = rule.weight.shape
        rows = math.prod(rule.lead)
        V = f.exact(self.vector[rule.parameter("weight")])
        v = f.exact(self.vector[rule.parameter("bias")]) if rule.bias else None
        moved = r.reshape(rows, features)
        ahead = _zero(V) if self.without == "forward" else V
        shift = _zero(v) if v is not None and self.without == "bias" else v
        rz = matmul(_beside(moved, rule.x), _beside(rule.weight, ahead).transpose(), shift)

        def back(g: Ball, rg: Ball) -> tuple[Ball, Ball]:
            delta, rd = g.reshape(rows, out), rg.reshape(rows, out)
            past = _zero(moved) if self.without == "input" else moved
            behind = _zero(V) if self.without == "backward" else V
            self.products[rule.parameter("weight")] = matmul(
                _beside(rd.transpose(), delta.transpose()), _beside(rule.x.transpose(), past.transpose()).transpose()
            )
            if rule.bias:
                self.products[rule.parameter("bias")] = rd.sum(axis=0)
            both = _beside(rule.weight.transpose(), behind.transpose()).transpose()
            return rule.backward(g, {}), matmul(_beside(rd, delta), both).reshape(*rule.lead, features)

        return z, rz.reshape(*rule.lead, out), back


# --- the activations: R{y} from R{x}, and R{dL/dx} from R{x}, g = dL/dy and R{g} -------------------------------------


def _jacobian(rule: Any, r: Ball) -> Ball:
    """R{y} = J R{x}, and J = Jᵀ: what backward does to an upstream gradient."""
    moved: Ball = rule.backward(r, {})
    return moved


def _straight(rule: Any, r: Ball, g: Ball, rg: Ball) -> Ball:
    """f″ = 0: R{g} f′."""
    moved: Ball = rule.backward(rg, {})
    return moved


def _curved(second: Callable[[Ball, Ball], list[Ball]]) -> Callable[[Any, Ball, Ball, Ball], Ball]:
    """R{g} f′ + g f″ R{x}, f″ a product of factors of y.

    The program (R{g} + g (f″/f′) R{x}) f′ rounds the sum before the product, which costs the same to first order; but
    its sum must not overflow before f′ makes it small.
    """

    def backward(rule: Any, r: Ball, g: Ball, rg: Ball) -> Ball:
        one = g.format.exact(np.ones(()))
        factors = [g, r, *second(rule.a, one)]
        moved = rule.backward(rg, {}) + product(*factors)
        return settle(g.format, moved.mid, moved.rad, moved.reach + rg.reach + _every(factors))

    return backward


def _softmax(rule: Any, r: Ball, g: Ball, rg: Ball) -> Ball:
    """With h = R{x} and R{y} = y (h − Σ y h): R{y} (g − Σ y g) + y (R{g} − Σ y R{g} − Σ g R{y}).

    Autograd has it expanded, y (G − Σ y G) with G = R{g} + g h − h Σ y g − g Σ y h. Every term of either form is at
    most y A, A = M + Σ y M + |R{g}| + Σ y |R{g}|, M = (|g| + Σ y |g|)(|h| + Σ y |h|).
    """
    p, h, g, rg = rule.p, rule._flat(r), rule._flat(g), rule._flat(rg)
    moved = softmax_backward(p, h)
    centred = g - _last((p * g).sum(axis=-1))
    factored = moved * centred + p * (rg - _last((p * rg).sum(axis=-1)) - _last((g * moved).sum(axis=-1)))
    q, G, H = p.reach, g.reach, h.reach
    M = (G + _total(q * G)) * (H + _total(q * H))
    back: Ball = rule._back(_terms(factored, q * (M + _total(q * M) + rg.reach + _total(q * rg.reach)), G, H))
    return back


def _log_softmax_forward(rule: Any, r: Ball) -> Ball:
    """R{y} = h − Σ p h, the transpose of the backward pass; or by the Jacobian, of terms |h| and p |h|."""
    h = rule._flat(r)
    moved = h - _last((rule.p * h).sum(axis=-1))
    size = h.reach + _total(rule.p.reach * h.reach)
    back: Ball = rule._back(_terms(moved, size, h.reach))
    return back


def _log_softmax(rule: Any, r: Ball, g: Ball, rg: Ball) -> Ball:
    back: Ball = rule._back(_log_softmax_rows(rule.p, rule._flat(r), rule._flat(g), rule._flat(rg)))
    return back


def _log_softmax_rows(p: Ball, h: Ball, g: Ball, rg: Ball) -> Ball:
    """R{g} − p Σ R{g} − R{p} Σ g with R{p} = p (h − Σ p h).

    Autograd has it as G − p Σ G with G = R{g} − p h Σ g. Every term of either form is at most
    |R{g}| + p Σ |R{g}| + p (|h| + Σ p |h|) Σ |g|.
    """
    factored = log_softmax_backward(p, rg) - softmax_backward(p, h) * _last(g.sum(axis=-1))
    q, H, G = p.reach, h.reach, _total(g.reach)
    size = rg.reach + q * _total(rg.reach) + q * (H + _total(q * H)) * G
    return _terms(factored, size, g.reach, H)


Forward = Callable[[Any, Ball], Ball]
RULES: dict[type[Any], tuple[Forward, Callable[[Any, Ball, Ball, Ball], Ball]]] = {
    rectifiers.Identity: (_jacobian, _straight),
    rectifiers.ReLU: (_jacobian, _straight),
    rectifiers.LeakyReLU: (_jacobian, _straight),
    sigmoids.Sigmoid: (_jacobian, _curved(lambda y, one: [y, one - y, one - (y + y)])),  # y(1 − y)(1 − 2y)
    sigmoids.Tanh: (_jacobian, _curved(lambda y, one: [-(y + y), one - y * y])),  # −2y (1 − y²)
    softmax.Softmax: (_jacobian, _softmax),
    softmax.LogSoftmax: (_log_softmax_forward, _log_softmax),
}


# --- the losses: R{dL/dz} = L″ R{z} ---------------------------------------------------------------------------------


def _no_curvature(loss: Any, r: Ball) -> Ball:
    """L1 and NLL: the gradient does not move with the input."""
    return _zero(r)


def _mse(loss: MSELoss, r: Ball) -> Ball:
    """2 R{z} · 1/N: the factor 2 is exact."""
    return product(r + r, _scale(loss))


def _bce(loss: BCELoss, r: Ball) -> Ball:
    """w (t (1 − p)² + (1 − t) p²) / ((p + ε)(1 − p + ε))² · R{p} / N with PyTorch's ε = 1e-12.

    The numerator written p² − 2pt + t has terms that cancel: four roundings each of their sizes.
    """
    f, t = r.format, loss.t
    p, one, eps = loss._probability(), f.exact(np.ones(())), f.constant(1e-12)
    q = one - p
    numerator = (one - t) * (p * p) + t * (q * q)
    expanded = p.reach**2 + (2 * p.reach + 1) * np.abs(t.mid)
    numerator = Ball(numerator.mid, numerator.rad + 4 * f.u * expanded, f)
    denominator = (p + eps) * (q + eps)
    return product(numerator, one / (denominator * denominator), r, _scale(loss), _weight(loss, f))


def _bce_with_logits(loss: BCEWithLogitsLoss, r: Ball) -> Ball:
    """w l σ (1 − σ) R{z} / N, l = q t + 1 − t or 1 + (q − 1) t: four roundings of the sizes of its terms."""
    f, t = r.format, loss.t
    one, s = f.exact(np.ones(())), layers.sigmoid(loss.z)
    if loss.pos_weight is None:
        return product(s, one - s, r, _scale(loss), _weight(loss, f))
    positive = f.exact(loss._positive()) * t
    l = positive + one - t  # noqa: E741 - the letter of the formula
    l = Ball(l.mid, l.rad + 4 * f.u * (1 + np.abs(t.mid) + positive.reach), f)  # noqa: E741
    return product(l, s, one - s, r, _scale(loss), _weight(loss, f))


def _cross_entropy(loss: CrossEntropyLoss, r: Ball) -> Ball:
    """NLL of a log-softmax with upstream −Q/D, which itself does not move: k roundings in Q, a product and a division.

    An ignored row moves nothing: its gradient is 0 wherever it is, unless a number of its own is none, or 1/D may
    overflow, which makes ∞ · 0 of it. (D = 0, where every row is ignored, leaves nothing to multiply by.)
    """
    f, Q, scale = r.format, loss.Q, loss._row_scale(None)
    h = r.moveaxis(loss.axis, -1).reshape(*Q.shape)
    g = product(-Ball(Q, f.gamma(loss.roundings) * np.abs(Q), f), scale)
    rows = _log_softmax_rows(loss.p, h, g, _zero(g))
    number = np.isfinite(loss.p.mid + h.mid) & np.isfinite(loss.p.rad + h.rad)
    certain = np.isfinite(scale.rad) | (loss.divisor.mid == 0)
    quiet_row = (loss.ignored & number.all(axis=-1))[:, None] & certain
    lost = ~quiet_row & (loss.row_lost | loss.ignored)[:, None]
    mid = np.where(quiet_row | lost, 0.0, rows.mid)
    rad = np.where(quiet_row, 0.0, np.where(lost, np.inf, rows.rad))
    return loss._unmoved(Ball(mid, rad, f))


CURVATURES: dict[type[losses.Loss], Callable[[Any, Ball], Ball]] = {
    BCELoss: _bce,
    BCEWithLogitsLoss: _bce_with_logits,
    CrossEntropyLoss: _cross_entropy,
    L1Loss: _no_curvature,
    MSELoss: _mse,
    NLLLoss: _no_curvature,
}


def _names(rules: Mapping[type[Any], Any]) -> list[str]:
    return sorted(rule.__name__ for rule in rules)


def product(*factors: Ball) -> Ball:
    """The product of k ≥ 2 balls in any order of multiplication.

    Whatever the order, k − 1 roundings: r = p + γ_{k−1} Π(|m| + r) with p = Π(|m| + r) − Π|m|. A partial product that
    underflows is off by η, times the rest: at most Π max(1, |m| + r), for each of the k − 1 products of the program and
    of the reference. Where that passes the format's range, a partial product may.
    """
    f = factors[0].format
    mid, p, size = factors[0].mid, factors[0].rad, np.abs(factors[0].mid)
    for factor in factors[1:]:
        p = p * factor.reach + size * factor.rad
        mid, size = mid * factor.mid, size * np.abs(factor.mid)
    p = p * WIDEN
    top = _every(factors)
    rad = p + f.gamma(len(factors) - 1) * (size + p) + 2 * len(factors) * f.eta * top
    poison = np.sum(np.broadcast_arrays(*(0 * factor.mid for factor in factors)), axis=0)
    return settle(f, mid, rad, top * (1 + f.gamma(len(factors))), poison)


def _every(factors: tuple[Ball, ...] | list[Ball]) -> Float64:
    """Π max(1, |m| + r): the largest product of any of the factors."""
    top: Float64 = np.ones(())
    for factor in factors:
        top = top * np.maximum(factor.reach, 1.0)
    return top


def _terms(factored: Ball, size: Float64, *magnitudes: Float64) -> Ball:
    """The ball of one form, widened for a program that sums the terms of `size` in another.

    A term passes at most two sums over the n of a row and eight more products or additions: γ_{2n+8}. Each of its 8n
    products may underflow, which the upstream quantities of the row, of these `magnitudes`, enlarge.
    """
    f, n = factored.format, factored.shape[-1]
    top: Float64 = np.ones(())
    for magnitude in magnitudes:
        top = top * (1 + magnitude.max(axis=-1, keepdims=True, initial=0.0))
    rad = factored.rad + f.gamma(2 * n + 8) * size + 16 * n * f.eta * top
    return settle(f, factored.mid, rad, size + top + rad)


def _scale(loss: losses.Loss) -> Ball:
    """1/N for a mean, 1 for a sum."""
    f = loss.z.format
    one = f.exact(np.ones(()))
    return one / f.exact(np.asarray(float(loss.z.size))) if loss.reduction == "mean" and loss.z.size else one


def _weight(loss: Any, f: Format) -> Ball:
    return f.exact(np.ones(()) if loss.weight is None else loss.weight)


def _zero(like: Ball) -> Ball:
    return like.format.exact(np.zeros(like.shape))


def _beside(a: Ball, b: Ball) -> Ball:
    """Two matrices as one, the columns of the second after those of the first."""
    return Ball(np.hstack([a.mid, b.mid]), np.hstack([a.rad, b.rad]), a.format)


def _total(a: Float64) -> Float64:
    return np.asarray(a.sum(axis=-1, keepdims=True))


def _last(b: Ball) -> Ball:
    return Ball(b.mid[..., None], b.rad[..., None], b.format)


def _product_of(model: Any) -> Callable[..., Mapping[str, Any]]:
    """`hessian_vector_product` of the package that the model's class comes from."""
    package = type(model).__module__.partition(".")[0]
    function = getattr(sys.modules.get(package), NAME, None)
    if function is None:
        raise TypeError(f"judge_hvp: the package {package!r} has no {NAME}; give the product to judge")
    found: Callable[..., Mapping[str, Any]] = function
    return found
