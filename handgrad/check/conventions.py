"""How people write a gradient: every convention is a row of a table here, and none is known anywhere else.

| table | says |
|---|---|
| `FORWARD`, `BACKWARD`, `LOSS` | what methods are called, and functions of a module |
| `ROLES` | what an argument is, by its name: a target, the gradient from above, a cache, a rate, a setting, … |
| `FORMULAS` | losses of a net whose backward takes the target and names none |
| `MARKS`, `SAME` | what makes a parameter's name the name of its gradient |

What could be read in two ways is a list, in the order in which it is tried.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FORWARD = _words(
    """
    forward forward_pass forward_propagation forward_prop forward_propagate forwardprop fprop feedforward
    feed_forward propagate propagate_forward calculate __call__ call query predict compute activate activation
    apply evaluate eval_ fn func function f fun value loss cost compute_loss compute_cost calculate_loss
    calc_loss loss_fn loss_function error run transform step_forward output calc get_output fwd objective energy
    hypothesis updateOutput bottom_data_is forwardPropagation forwardProp forwardPass _forward forwards
    """
)
BACKWARD = _words(
    """
    backward backward_pass backward_propagation backward_prop backward_propagate backwardprop backprop back_prop
    back_propagation backpropagation back_propagate backpropagate bprop propagate_backward gradient gradients
    grad derivative derivatives deriv prime df jac compute_gradients compute_gradient compute_grads compute_grad
    calculate_gradients calc_gradient calculate_gradient get_gradients get_gradient loss_gradient loss_grad
    loss_derivative dloss loss_prime cost_derivative delta dfn dfun dfunc diff differentiate f_prime jacobian
    activation_derivative activate_derivative fn_derivative function_derivative bwd backwards vjp train_step
    train update learn step_backward _backward grad_fn adjust train_on_batch compute_derivative compute_derivatives
    calculate_derivative backword backwardPropagation backPropagation backProp backwardPass updateGradInput
    bptt backprop_through_time backpropagation_through_time gradient_step top_diff_is adjoint pullback
    """
)
BACK = r"(\w+_)?(back|bwd|bprop)(_\w+|[a-z]*prop\w*)?|bw|bp|vjp"
FORTH = r"(\w+_)?(forward|fwd|fprop)(_\w+)?|fw|fp"
"""What such methods are called otherwise."""
LOSS = _words(
    """
    costFunction J
    loss compute_loss cost compute_cost cost_function loss_function loss_fn calculate_loss calc_loss get_loss
    cross_entropy cross_entropy_loss cross_entropy_error binary_cross_entropy mse mse_loss mean_squared_error
    criterion objective error nll log_loss bce bce_loss
    """
)
KEPT_LOSS = r"cost|loss|criterion|objective|(loss|cost)_?(fn|func|function|layer|obj|class)"
"""What an object that is the loss of a net is kept as."""
TOGETHER = _words(
    """
    loss loss_and_grad loss_and_gradient loss_and_gradients loss_grad cost_function cost lossFun loss_fn
    objective forward_backward forward_and_backward compute_loss_and_gradients value_and_grad cost_and_grad
    cost_and_gradient compute_loss propagate backprop nnCostFunction fun train_step __call__
    """
)
"""Of which one call gives the loss and its gradients."""

TOGETHER_BEHIND = r"(\w+_)?(loss|cost|value)(_(and_)?(grads?|gradients?|backward))?|(\w+_)?backward"
"""And what a method is called that may be one of these behind a forward."""
PREDICTED = r"p|prob\w*|y_?(hat|pred)|pred\w*|scores?|logits?|out(put)?s?|softmax\w*|acc(uracy)?"
"""What is returned beside a loss, and is no gradient."""
COSTS = r"\w*_?(cost|loss)(_?(function|fn|func|and_?grad\w*))?"
"""And what a method is called that may be such a one: softmaxCost."""

GRADIENTS = _words("gradient grad gradients compute_gradients derivative bptt")
"""What a method is called that takes the same arguments as the loss whose gradient it is."""

FLAGS = ("deriv", "derivative", "derive", "prime", "grad", "gradient", "diff", "backward", "derivate", "is_derivative")
"""A flag of a function that turns it into its own derivative."""

CACHING = r"(save|store|keep|retain|use|with|return)_?(cache|caches|grads?|state|activations?|intermediates?)|cache"
TRAINING = r"(is_?)?(in_?)?train(ing)?(_?(mode|flg|flag|phase))?"
"""Flags that are off by default, and on where a backward follows."""

BESIDE = _words(
    """
    {}_grad grad_{} d{} d_{} {}_backward {}_prime {}_derivative {}_gradient {}_deriv {}Prime {}_bwd gradient_{}
    {}_vjp {}_jacobian {}Derivative {}_derivate {}_diff deriv_{} d_{}_dx {}Grad {}Gradient {}_d derivative_{}
    backward_{} {}_back {}_der der_{} {}_delta {}_jac {}_adjoint adjoint_{} {}_pullback
    """
)
"""What the gradient of a function is called."""
TURNED: tuple[tuple[str, ...], ...] = tuple(
    tuple(pair.split("/"))
    for pair in _words(
        """
        forward/backward fwd/bwd fwd/back fw/bw forward/back fprop/bprop Forward/Backward feed_forward/backprop
        feedforward/backprop cost/gradient cost/grad loss/grad loss/gradient
        forward_propagation/back_propagation forward_prop/back_prop
        forward_propagate/backward_propagate_error compute_cost/compute_gradient forward/backprop
        """
    )
)

TRAINERS = _words("fit train train_model gradient_descent learn optimize SGD sgd run_training")
"""What trains an object that has no backward."""
STEPS = r"train|update|fit|learn|optimi[sz]e|(stochastic_|batch_)?gradient_?descent|sgd|(\w+_)?step|build_model|model$"
"""Functions that return changed weights, or what they learned, and no gradient."""
MODELS = r"(\w+_)?(model|training|regression|descent|perceptron|network|nn)"
"""And so are functions of these names, if they are given a number of turns."""
UPDATES = r"(calculate|calc|compute|get|make|apply|do)_update\w*|update_\w+"
"""Methods of an optimizer that make its step."""
TURNS = r"(n|num|max|number_of|training)?_?(iter|iters|iterations?|epochs?|steps|rounds|passes|n_iter\w*|max_iter\w*)"
BATCH = r"(mini)?_?batch_?size"
LOSSES = (
    r"(\w+_)?(loss|cost|mse|bce|nll|objective|cross_?entropy|j)(es|s)?(_?(history|list|value|values|curve|hist))?|l"
)
"""What a local is called that is the loss, or ends a list of them."""
DESCENDS = r"(\w+_)?(gradient_?descent|train\w*|fit\w*|learn\w*|sgd|gd|optimi[sz]e\w*|descend)|regression"
"""What a method is called, beside TRAINERS, of an object that is made of its data and trains on them."""
OWN_LOSS = (
    r"(compute|calculate|calc|get|_)*_?(neg(ative)?_(\w+_)?likelihood|nll|(\w+_)?cross_?entropy|cost|loss|mse|error|objective|j)"
    r"(_?(function|fn|func|value))?"
)
"""And what says its loss of them."""
WHOLE_LOSS = r"\w*(loss|cost|elbo|objective)(_?(function|fn|func|value))?"
"""What says the loss of all that a forward returned."""
WEIGHED = r"beta|kl_?(w\w*|beta|coef\w*)|(lambda|lmbda|reg)\w*"
"""And what weighs a term of it."""
DECODED = r"z|decoded?|x_?(hat|rec\w*)|re(con|built|produc)\w*"
"""What an autoencoder makes of its input, as a local."""
SAMPLING = r"\w*(rbm|boltzmann)\w*|\w*(contrastive_?divergence|gibbs)\w*"
"""A class, a function or a method that draws its states, as a Boltzmann machine does."""


def samples(op: Any) -> bool:
    """Whether code moves its weights by what it draws, which is the gradient of no loss that it has."""
    kind = op if isinstance(op, type) or callable(op) else type(op)
    names = [getattr(kind, "__name__", ""), *(dir(kind) if isinstance(kind, type) else ())]
    return any(re.fullmatch(SAMPLING, n.lower()) for n in names)


PREDICTS = _words(
    """
    predict_proba predict_probability forward feedforward forward_propagation _forward think hypothesis predict query
    """
)
"""Methods that say what an object that trains predicts."""

COUNTS = r"m|n|m_?train|n_?train|train_?size|(n|num|nb)_?(samples|examples|data|train\w*)|(mini)?_?batch_?size|samples"
"""What a number of the module is called that counts samples."""
COUNT = 8  # of samples, where the file that they are read from is not there
INITIAL = (
    r"^_?(init\w*|setup|(init|initiali[sz]e|create|make|build|random|get)_?\w*?(param|weight|model|net|theta|coef)\w*"
    r"|(param|weight|theta)\w*_init\w*)$"
)
"""A function of the module that makes the parameters."""
SETUP = _words(
    """
    initialize build init_weights initialize_weights init_params initialize_parameters setup init _build
    _initialize _init_weights initialize_params compile reset_parameters init_parameters connect_to connect
    """
)
TELLS = r"set_(in(put)?_?)?(shapes?|dims?|size)|((get|compute|calc|infer)_)?(out(put)?_?shape)|infer_shapes?"
"""What a method is called that is told the shape of the input before the parameters are made."""
SHAPE = r"((x|in|input|inputs|data|batch|image|prev\w*)_?)?shape"
DIMENSION = (
    r"(in|input|x)_?(dims?|size|units|width|features|channels|neurons)|n_?in(puts?)?|fan_?in|n_features|num_inputs"
    r"|prev_units"
)
PREVIOUS = r"(prev(ious)?|in(put|bound)?|last|lower|before)_?(layer|node|module)|layer|prev(ious)?"
"""What it is told: a shape, a width, or the layer before."""

STATISTICS = r"(running|moving|global|population|run|mov|ema)_?(mean|avg|average|mu|var|variance|std|sigma)\w*"
"""Arguments that follow the data, and that no gradient goes through."""
CENTRES = r"(cent(er|re|roid)|std|sigma|width|spread|beta)s?|radi(us|i)"
"""Where radial basis functions stand, and how wide they are: chosen once in most nets of them, and not trained."""

# The first row that fits the whole name, lower-case and without outer underscores.
ROLES: tuple[tuple[str, str], ...] = (
    ("half", r"sparsity\w*"),
    ("kept", r"parameters|params|(parameters|params?|weights?|theta)_?(dict|values?)|model|network|net"),
    ("reg", r"(lambda|reg\w*)_?params?"),
    ("sizes", r"(nn_?)?h_?dim|nn_(in|out)put_dim|n_(in|out|visible|hidden|input|output)"),
    ("options", r"\w+_params?|param|hparam\w*|hyper\w*|conf|config|cfg|opts?|options|settings|pool_cfg|meta\w*"),
    ("flag", r"(is_)?train(ing)?(_?(flg|flag|mode|phase))?|is_train\w*|learning_phase|trainable"),
    ("off", r"inference|(is_)?test(ing)?|verbose|print_\w+|debug|return_\w+|plot|check_?grad\w*|deterministic"),
    ("mode", r"mode|phase"),
    ("rate", r"lr|learning_?rate|l_?rate|alpha|eta|rate|step_?size|learn_rate|learning_coeff?\w*|learningrate"),
    ("reg", r"reg\w*|lambd?a?\d?|lam|lmbda?|l1|l2|weight_?decay|lambda_?\w*|mu"),
    ("eps", r"eps(ilon)?"),
    ("half", r"p_?drop\w*|drop\w*|keep_?\w*|prob|momentum|beta\d|rho|slope|negative_slope|gamma_?focal|temperature"),
    ("one", r"strides?|dilation|n_?iter\w*|epochs?|time_?step|num_iters|iterations"),
    (
        "two",
        r"k(ernel)?_?size|pool_?(size|height|width|h|w)|(filter|field|window)_?size|f|fh|fw|num_?heads|n_?heads|heads|groups",
    ),
    ("zero", r"pad(ding)?|axis"),
    ("corpus", r"data_?set|corpus|(\w+_)?sampler"),
    ("nothing", r"vocab|tokeni[sz]er|rng|random_state"),
    (
        "sizes",
        r"(input|in|visible|hidden|output|out|num|n)_?(layer)?_?(size|dim|labels|classes|features|units|outputs|inputs|hidden|x|h|y)\w*|n_classes|num_\w+"
        r"|(n|nb|num)_?(users?|movies|items|factors)",
    ),
    ("optimizer", r"opt(imi[sz]er)?"),
    (
        "target",
        r"y|y_?(true|train|real|batch|actual|target|label|gt|data|b|t|i|expected)s?|t|tt|ys|yb|targ(et)?s?\w*|labels?|lbls?|actual\w*|expected\w*"
        r"|truth|gt|ground_?truth|desired\w*|correct\w*|true\w*|one_?hot\w*|y_one_?hot|real|answers?|ts|observed|label_?\w*|class\w*|teacher|\w+_?idx|actions?|act(ion)?s?_taken"
        r"|(train(ing)?|target|true|expected)_(out(put)?s?|values?|results?)",
    ),
    (
        "cache",
        r"\w*cache\w*|ctx|context|mem(ory)?|saved\w*|state|tape|intermediates?|fwd|stored|store|forward_\w+|history|tmp|stuff",
    ),
    (
        "pred",
        r"y_?hat\w*|yh|y_?p(red\w*)?|pred\w*|out(put)?s?\w*|o|a\d*|al|logits?|scores?|prob\w*|yp|y_?out|activations?|estimate\w*|guess|ypred"
        r"|a\d+|hypothesis|result|computed|model_?output|softmax_?out\w*|x_?hat|recon\w*|phat|p_?hat|sigm\w*|s|inferred|final_output",
    ),
    (
        "data",
        r"x|xs?|x_?\w+|inputs?\w*|inp|data\w*|images?|batch|features?|z\d*|feed|samples?|row|h|a_?prev\w*|seq\w*|tokens?|idx|indices|ids",
    ),
)
DATA = ROLES[-1][1]
UPSTREAM = (
    r"g|gy|gout|gz|ga|dd|up\w*|\w*grad\w*|d_?[a-z]\w*|dl?_?d?\w*|delta\w*|err\w*|\w+_(err|error|delta)|accum\w*|top\w*|dnext\w*|back\w*|eta|sens\w*|v|signal\w*"
    r"|next_\w+|loss_?grad\w*|\w+_g|residual\w*|da|dz|dy|cotangent\w*|ct|vec|error_?\w*|derror\w*"
)
"""The gradient from above."""
NOT_UPSTREAM = (
    r"data\w*|drop\w*|dim\w*|depth|debug|dtype|device|dilation|gamma|gradient_descent|desired\w*|batch\w*|deriv|dict"
)


class Corpus:
    """A set of words that nobody gave: whatever it is asked to draw is the number of one of its first three."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.draw

    def draw(self, *_: Any, **__: Any) -> int:
        return int(np.random.randint(3))  # noqa: NPY002 - as the user's code draws, and as is put back


FIXED: dict[str, Any] = {"flag": True, "off": False, "mode": "train", "reg": 0.25, "eps": 1e-5, "rate": 1.0}
FIXED |= {"half": 0.5, "one": 1, "two": 2, "zero": 0, "nothing": None, "corpus": Corpus()}
SETTINGS: tuple[tuple[str, Any], ...] = (
    (r"mode|phase", "train"),
    (r"train\w*", True),
    (r"eps(ilon)?", 1e-5),
    (r"stride\w*|s", 1),
    (r"pad\w*", 1),
    (r"pool_?\w*|f|hf|wf|kernel\w*|size|k|h|w|height|width", 2),
    (r"keep\w*|drop\w*|prob\w*|momentum|p", 0.5),
    (r"lambd\w*|reg\w*|alpha|slope", 0.25),
    (r"axis", 0),
    (r"lr|learning_?rate", 1.0),
)
"""What a dict of settings holds: `{"stride": 1, "pad": 1}`, `{"mode": "train"}`."""


class Settings(dict[str, Any]):
    """A dict of settings that nobody gave: it has what is asked of it."""

    def __missing__(self, key: Any) -> Any:
        value = next((v for pattern, v in SETTINGS if re.fullmatch(pattern, str(key).lower())), None)
        if value is None:
            raise KeyError(key)
        return value

    # A call that it is passed to is a key of what was tried. Two of them differ in nothing, as nobody wrote into them;
    # the type ignored is that of a dict, which has no hash.
    def __hash__(self) -> int:  # type: ignore[override]
        return id(type(self))

    def __deepcopy__(self, memo: Any) -> "Settings":
        return Settings(self)


def bare(name: str) -> str:
    return name.strip("_").lower()


def role(name: str, first: bool = False) -> str:
    """What an argument is, by its name; the first one of a forward is data or a prediction, whatever it is called."""
    n = bare(name)
    found = next((kind for kind, pattern in ROLES if re.fullmatch(pattern, n)), "data")
    if first and found not in ("data", "pred", "target", "kept"):
        return "data"
    return found


def width(name: str) -> int:
    """The width that an argument of this name is given, as input_size and n_h."""
    n = bare(name)
    if re.search(r"users?$", n):
        return 4
    if re.search(r"(movie|item)s?$", n):
        return 5
    return (
        3 if re.match(r"((nn?|num)_?)?(in|vis)|(n_?)?x(_|$)", n) else 4 if re.search(r"hid|^nn?_?h|mem|cell", n) else 2
    )


def is_upstream(name: str) -> bool:
    n = bare(name)
    return bool(re.fullmatch(UPSTREAM, n)) and not re.fullmatch(NOT_UPSTREAM, n)


# --- names of gradients -----------------------------------------------------------------------------------------------

MARKS = (
    r"^d?l_?d_?(?=\w)|^dj_?d?_?(?=\w)|^(gradients?|grads?|nabla|delta|deltas|deriv|derivative|del|partial|dloss|dcost|d)_?(of_?|wrt_?)?(?=\w)",
    r"(?<=\w)_?(gradients?|grads?|deltas?|prime|deriv|derivative|dot|bar|diff|g|adj|adjoint)$",
    r"^g_?(?=\w)",
    r"^d_?(l|j|e|c|loss|cost|error)_*d_?(?=\w)",
)
PLAIN = _words(
    """
    grad grads gradient gradients g d derivative deriv delta deltas nabla diff return
    """
)


SAME: tuple[set[str], ...] = tuple(
    set(row.split())
    for row in (
        "w weight weights kernel kernels wt filters filter theta coef coefs coefficients",
        "b bias biases intercept intercepts",
        "gamma scale g",
        "beta shift",
        "x input inputs inp in xs",
        "a alpha slope",
        "embedding embeddings w table",
        "y_pred yhat y_hat pred prediction predictions output a predicted inputs al",
    )
)
"""Names of the same."""


def stems(label: str) -> set[str]:
    """What a gradient's name may be the gradient of: "dW1" → {"w1"}, "weights_gradient" → {"weights"}."""
    n = bare(label)
    found = set()
    for mark in MARKS:
        once = re.sub(mark, "", n, count=1)
        if once != n:
            found.add(bare(once))
    return {f for f in found if f}


def alike(a: str, b: str) -> bool:
    """Whether two names are one, but for underscores: w_fx and wfx, as in dLdWfx."""
    return bare(a).replace("_", "") == bare(b).replace("_", "")


def kin(a: str, b: str) -> bool:
    """Whether two names are names of the same: w and weights, b1 and bias1."""
    (a, i), (b, j) = (_numbered(n) for n in (bare(a), bare(b)))
    return i == j and (_same(a, b) or _same_but_one(a.split("_"), b.split("_")))


def _same(a: str, b: str) -> bool:
    return a == b or any(a in group and b in group for group in SAME) or a.rstrip("s") == b.rstrip("s")


def _same_but_one(a: list[str], b: list[str]) -> bool:
    """Whether of several words one is another name of the same: weight_out and w_out."""
    if len(a) != len(b) or len(a) < 2:
        return False
    other = [(v, w) for v, w in zip(a, b, strict=True) if v != w]
    return len(other) == 1 and _same(*other[0])


def _numbered(name: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.*?)_?(\d*)", name)
    assert found is not None
    return found[1], found[2]


# --- losses of nets that name none ------------------------------------------------------------------------------------


def _rows(o: Array, y: Any) -> Array:
    """The target as rows like the output: class numbers become rows of 0 and 1."""
    y = np.asarray(y)
    if o.ndim == 3 and o.shape[-1] == 1 and y.shape != o.shape:  # a column for every time
        return _rows(o[..., 0], y)[..., None]
    if y.shape == o.shape:
        return np.asarray(y)
    if y.shape == o.shape[::-1]:
        return np.asarray(y.T)
    if y.size == o.size:
        return np.asarray(y.reshape(o.shape))
    if y.dtype.kind in "iu" and y.size == o.shape[0]:
        return np.asarray(np.eye(o.shape[-1])[y.ravel()])
    if y.dtype.kind in "iu" and y.size == o.shape[-1]:
        return np.asarray(np.eye(o.shape[0])[y.ravel()].T)
    raise ValueError(f"a target of shape {y.shape} for an output of shape {o.shape}")


def _softmax(o: Array, axis: int) -> Array:
    e = np.exp(o - o.real.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


FAMILIES: tuple[tuple[str, Callable[[Array, Array], Any]], ...] = (
    ("½Σ(output − y)²", lambda o, y: 0.5 * ((o - y) ** 2).sum()),
    ("−Σ y log output", lambda o, y: -(y * np.log(o)).sum()),
    ("−Σ(y log output + (1 − y) log(1 − output))", lambda o, y: -(y * np.log(o) + (1 - y) * np.log(1 - o)).sum()),
    ("−Σ y log softmax(output)", lambda o, y: -(y * np.log(_softmax(o, -1))).sum()),
    ("−Σ y log softmax(output), by columns", lambda o, y: -(y * np.log(_softmax(o, 0))).sum()),
    ("−Σ y log σ(output) + (1 − y) log(1 − σ(output))", lambda o, y: (np.log(1 + np.exp(o)) - y * o).sum()),
)


@dataclass(frozen=True)
class Formula:
    """A loss of an output and a target: so many times one of `FAMILIES`."""

    factor: float
    family: Callable[[Array, Array], Any]

    def __call__(self, o: Any, y: Any) -> Any:
        o = np.asarray(o)
        return self.factor * self.family(o, _rows(o, y))


def formulas(shape: tuple[int, ...], more: tuple[int, ...] = ()) -> Iterator[tuple[str, Formula]]:
    """Losses of an output of this shape, with the factors that people put before them; `more` counts of samples are
    those that the module holds."""
    size = int(np.prod(shape)) if shape else 1
    counts = dict.fromkeys((1, *(shape[:1] or (1,)), *(shape[-1:] or (1,)), size, *more))
    for text, family in FAMILIES:
        if "softmax" in text and (len(shape) < 2 or shape[0 if "columns" in text else -1] == 1):
            continue  # of a single number softmax is 1
        for count in counts:
            for factor in (1.0, 2.0, 0.5) if text.startswith("½") else (1.0, 2.0):
                c = factor / count
                yield text if c == 1 else f"{c:g} · {text}", Formula(c, family)
