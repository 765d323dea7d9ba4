"""What a caller is told of floating-point flags: what the numbers earned, once, as `np.errstate` wants it, and no more.

The whole file runs a second time on a BLAS that sets every flag at every product (`noisy_blas.py`). Where no such
library can be built, the reading of the source remains: no product stands outside of `scratch/flags.py`.
"""

import ast
import itertools
import pathlib
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from parity_tests.catalogue.tables import DTYPES
from scratch.flags import _noted, norm, product, without_underflow

ROOT = pathlib.Path(__file__).parents[2]
RNG = np.random.default_rng

# --- in the source ---------------------------------------------------------------------------------------------------

PRODUCTS = {"dot", "matmul", "inner", "vdot", "tensordot", "einsum", "matvec", "vecmat", "vecdot", "norm", "multi_dot"}
OF_NUMPY = {"np", "np.linalg"}
WITHOUT_BLAS = {"optimize", "axis"}
"""Arguments with which `einsum` and `norm` multiply by themselves."""
ELSEWHERE = {
    "scratch/flags.py": "here they are",
    "handgrad/judge": "a third computation shares no code; each of its entries ignores all flags",
    "handgrad/check": "its entry ignores all flags",
    "handgrad/hunt/parts": "code as people write it, in which a bug is to be found",
    "handgrad/exercises": "code as people write it, with a hole",
    "lessons/lesson_backprop_by_hand.py": "code as people write it",
    "handgrad/machine/throughput.py": "measures NumPy's own product",
    "benchmarks/questions/floor.py": "measures NumPy's own product",
    "benchmarks/questions/ways.py": "measures NumPy's own product",
    "benchmarks/contenders/jax_jit.py": "JAX's product",
    "parity_tests/numbers/test_flags.py": "compares with NumPy's own",
    **dict.fromkeys(
        [
            *(f"parity_tests/numbers/test_{name}.py" for name in ("ball", "clip", "judge", "second_order", "traps")),
            *(f"parity_tests/product/test_{name}.py" for name in ("check", "reproduce")),
        ],
        "what a user might write, which the judge or the check runs, or with all flags ignored",
    ),
}


def products(tree):
    """The lines on which NumPy is asked for a product."""
    harmless = {
        id(call.func)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and WITHOUT_BLAS & {keyword.arg for keyword in call.keywords}
    }
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(op=ast.MatMult()) | ast.AugAssign(op=ast.MatMult()):
                yield node.lineno
            case ast.Attribute(value=value, attr=attr) if attr in PRODUCTS and id(node) not in harmless:
                if attr == "dot" or ast.unparse(value) in OF_NUMPY:
                    yield node.lineno


@pytest.mark.parametrize("package", ["scratch", "handgrad", "benchmarks", "lessons", "parity_tests"])
def test_no_product_stands_elsewhere(package):
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in (ROOT / package).rglob("*.py")
        if not str(path.relative_to(ROOT)).startswith(tuple(ELSEWHERE))
        for line in products(ast.parse(path.read_text()))
    }
    assert found == set()


@pytest.mark.parametrize(
    "line",
    [
        "a @ b",
        "a @= b",
        "a.dot(b)",
        "partial(a.T.dot, b)",
        "np.dot(a, b)",
        "np.einsum('ij,jk', a, b)",
        "np.linalg.norm(a)",
    ],
)
def test_a_product_is_found(line):
    assert list(products(ast.parse(line))) == [1]


@pytest.mark.parametrize(
    "line", ["np.linalg.norm(a, axis=1)", "np.einsum('ij,jk', a, b, optimize=False)", "self.norm", "a * b"]
)
def test_what_is_no_product_of_blas_is_not_found(line):
    assert list(products(ast.parse(line))) == []


# --- one product -----------------------------------------------------------------------------------------------------

BIG, INF, NAN = 3e38, np.inf, np.nan
FACTORS = {  # (a, b): what they earn
    "finite": ([[1, 2], [3, 4]], [[5], [6]], []),
    "overflow": ([[BIG, 1], [1, 1]], [[10], [1]], ["overflow"]),
    "overflow of both signs": ([[BIG, BIG]], [[10], [-10]], ["overflow", "invalid value"]),
    "0 times infinity": ([[INF, 1]], [[0], [1]], ["invalid value"]),
    "infinity less infinity": ([[INF, INF]], [[1], [-1]], ["invalid value"]),
    "infinity": ([[INF, 1], [1, 1]], [[1], [1]], []),
    "infinity times numbers whose sum would overflow": ([[INF, 1]], [[BIG], [BIG]], []),
    "infinity beside an overflow": ([[INF, 1], [1, BIG]], [[1], [10]], ["overflow"]),
    "NaN": ([[NAN, 1], [1, 1]], [[1], [1]], []),
    "NaN in a row, 0 times infinity in another": ([[NAN, 1], [INF, 1]], [[0], [1]], ["invalid value"]),
    "NaN beside an overflow": ([[NAN, BIG]], [[1], [10]], ["overflow"]),
    "underflow": ([[1e-30, 1e-40]], [[1e-30], [1]], []),
    "nothing": (np.zeros((2, 0)), np.zeros((0, 3)), []),
}
WAYS = {
    "matrices": lambda a, b: (a, b),
    "matrix and vector": lambda a, b: (a, b[:, 0]),
    "vector and matrix": lambda a, b: (b.T[0], a.T),
    "vectors": lambda a, b: (a[-1], b[:, 0]),
    "stacks": lambda a, b: (a[np.newaxis].repeat(2, 0), b),
    "matrix and stack": lambda a, b: (a, b[np.newaxis].repeat(2, 0)),
    "by columns": lambda a, b: (np.asfortranarray(a), np.asfortranarray(b)),
}


ALONE = {"overflow": [], "NaN": [], "infinity beside an overflow": ["overflow"]}  # of `vectors`, the last row


@pytest.mark.parametrize("factors", FACTORS)
def test_a_product_tells_what_is_earned(factors):
    for way, told in itertools.product(WAYS, ("raise", "warn", "call", "ignore")):
        *arrays, flags = FACTORS[factors]
        flags = ALONE.get(factors, flags) if way == "vectors" else flags
        wanted = {"ignore": [], "raise": flags[:1]}.get(told, flags)
        a, b = WAYS[way](*(np.asarray(array, np.float32) for array in arrays))
        assert heard(told, a, b) == wanted
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(product(a, b), a @ b, strict=True)


def heard(told, a, b):
    """The flags of product(a, b) that a caller hears of who wants to be `told` so."""
    flags = []
    with warnings.catch_warnings(record=True) as caught, np.errstate(all=told, call=lambda flag, _: flags.append(flag)):
        warnings.simplefilter("always")
        try:
            product(a, b)
        except FloatingPointError as error:
            caught.append(error)
    texts = [str(getattr(entry, "message", entry)) for entry in caught]
    assert all(text.endswith(" encountered in matmul") for text in texts)
    return flags + [text.removesuffix(" encountered in matmul") for text in texts]


def test_a_product_notes_neither_divisions_nor_underflow():
    """A kernel that raises every flag raises these too. Every thread notes for itself."""

    def notes():
        run, noted = _noted.both
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run(np.divide, np.ones(1), np.zeros(1))
            run(np.multiply, np.full(1, 1e-200), np.full(1, 1e-200))
        return noted

    assert not notes()
    with ThreadPoolExecutor(1) as another:
        assert not another.submit(notes).result()


@pytest.mark.parametrize("factors", FACTORS)
def test_a_flag_that_a_kernel_raises_for_nothing_is_told_to_nobody(factors):
    """Some processors' kernels do. Here the note of one is there before the product, whatever the processor."""
    *arrays, flags = FACTORS[factors]
    if not flags:
        a, b = (np.array(array, np.float32) for array in arrays)
        noted = _noted.both[1]
        noted["invalid value"] = 0
        with np.errstate(all="raise", under="ignore"):
            product(a, b)
        assert not noted


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_product_has_numpys_bits(dtype):
    for m, k, n in np.ndindex(4, 4, 4):
        for shape in ((m, k), (k,), (2, m, k)):
            a, b = RNG(0).standard_normal(shape).astype(dtype), RNG(1).standard_normal((k, n)).astype(dtype)
            for x, y in ((a, b), (a, np.asfortranarray(b)), (a, b[:, n // 2 : n // 2 + 1])):
                with np.errstate(all="ignore"):
                    np.testing.assert_array_equal(product(x, y), x @ y, strict=True)
    x = RNG(2).standard_normal((5, 7)).astype(dtype)
    with np.errstate(all="ignore"):
        assert norm(x) == np.linalg.norm(x)
        assert norm(x.T).dtype == dtype


@pytest.mark.parametrize("shapes", [((3, 4), (4, 5)), ((4,), (4, 5)), ((2, 3, 4), (2, 4, 5))])
def test_a_product_is_put_where_it_is_wanted(shapes):
    a, b = (RNG(0).normal(size=shape) for shape in shapes)
    expected = product(a, b)
    out = np.zeros_like(expected)
    assert product(a, b, out) is out
    assert out.tobytes() == expected.tobytes()


def test_every_thread_and_every_caller_is_told_by_itself():
    """The flags of one thread's products are not told to another, and a caller's handling stays its own."""
    big, small = np.full((64, 64), BIG, np.float32), np.eye(64, dtype=np.float32)

    def work(a):
        told = []
        with np.errstate(over="call", call=lambda flag, _: told.append(flag)):
            for _ in range(50):
                product(a, a)
        return len(told)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, [big, small] * 4)) == [50, 0] * 4
        for factors in FACTORS.values():  # as the thread hears that imported everything
            *arrays, flags = factors
            a, b = (np.asarray(array, np.float32) for array in arrays)
            assert pool.submit(lambda a=a, b=b: heard("call", a, b)).result() == flags


def test_a_product_inside_a_report():
    """Whoever is told may multiply: in a handler, and in what a warning sets off."""
    big = np.full((1, 1), BIG, np.float32)
    told = []
    with np.errstate(over="call", call=lambda flag, _: told.append((flag, float(product(np.eye(1), np.eye(1))[0, 0])))):
        product(big, big)
    assert told == [("overflow", 1.0)]


# --- underflow -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trap", ["raise", "warn"])
def test_underflow_is_told_by_nothing(trap):
    """Inside, and again after what was inside has ended, with or without an error."""

    @without_underflow
    def inside(fail=False):
        np.float32(1e-30) * np.float32(1e-30)
        if fail:
            raise KeyError

    with np.errstate(all=trap):
        inside()
        with pytest.raises(KeyError):
            inside(fail=True)
        with pytest.raises((FloatingPointError, RuntimeWarning), match="underflow"):
            np.float32(1e-30) * np.float32(1e-30)
        with pytest.raises((FloatingPointError, RuntimeWarning), match="overflow"):
            without_underflow(lambda: np.float32(1e30) * np.float32(1e30))()
