"""A BLAS that sets every floating-point flag, whatever it multiplies.

OpenBLAS's AVX-512 kernels read past short arrays, and what lies there sets flags at random. Here every product of
NumPy's sets them all, on any processor: a library, compiled on the spot and loaded before NumPy's own BLAS, calls that
one and then raises the flags. To run anything under it, as the whole suite:

    python -m parity_tests.support.noisy_blas -m pytest parity_tests/numbers/test_second_order.py
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fenv.h>
#include <stdint.h>
#define NAME_(prefix, name, suffix) prefix##cblas_##name##suffix
#define NAME(prefix, name, suffix) NAME_(prefix, name, suffix)
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define C(name) NAME(PREFIX, name, SUFFIX)
#define NOISE feraiseexcept(FE_INVALID | FE_OVERFLOW | FE_DIVBYZERO | FE_UNDERFLOW)
static void *real(const char *name) {
    void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_NOLOAD);
    return dlsym(library ? library : RTLD_NEXT, name);
}
#define PRODUCT(name, parameters, arguments) \
    void C(name) parameters { \
        static void (*f) parameters; \
        if (!f) f = (void (*) parameters)real(TEXT(C(name))); \
        f arguments; \
        NOISE; \
    }
#define ALL(s, number) \
    PRODUCT(s##gemm, \
        (int o, int ta, int tb, INT m, INT n, INT k, number alpha, const number *a, INT lda, const number *b, INT ldb, \
         number beta, number *c, INT ldc), (o, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)) \
    PRODUCT(s##syrk, \
        (int o, int u, int t, INT n, INT k, number alpha, const number *a, INT lda, number beta, number *c, INT ldc), \
        (o, u, t, n, k, alpha, a, lda, beta, c, ldc)) \
    PRODUCT(s##gemv, \
        (int o, int t, INT m, INT n, number alpha, const number *a, INT lda, const number *x, INT dx, number beta, \
         number *y, INT dy), (o, t, m, n, alpha, a, lda, x, dx, beta, y, dy)) \
    PRODUCT(s##axpy, (INT n, number alpha, const number *x, INT dx, number *y, INT dy), (n, alpha, x, dx, y, dy)) \
    number C(s##dot)(INT n, const number *x, INT dx, const number *y, INT dy) { \
        static number (*f)(INT, const number *, INT, const number *, INT); \
        if (!f) f = (number (*)(INT, const number *, INT, const number *, INT))real(TEXT(C(s##dot))); \
        number result = f(n, x, dx, y, dy); \
        NOISE; \
        return result; \
    }
ALL(s, float)
ALL(d, double)
"""

START = """
import runpy, sys, warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import numpy  # which multiplies when it is imported
sys.argv = sys.argv[1:]
is_module = sys.argv[0] == "-m"
sys.argv = sys.argv[is_module:]
(runpy.run_module if is_module else runpy.run_path)(sys.argv[0], run_name="__main__")
"""


def build(folder: pathlib.Path) -> pathlib.Path | None:
    """The library in `folder`; None without a C compiler, or where NumPy's products come from no BLAS to be had."""
    compiler = shutil.which("cc")
    core = pathlib.Path(np._core._multiarray_umath.__file__)
    found = re.search(rb"\0(\w*?)cblas_sgemm(\w*)\0", core.read_bytes())
    maps = pathlib.Path("/proc/self/maps")
    if not (compiler and found and maps.exists()):
        return None
    prefix, suffix = (part.decode() for part in found.groups())
    libraries = {line.split()[-1] for line in maps.read_text().splitlines() if "blas" in line.rpartition("/")[2]}
    numpys = [path for path in sorted(libraries) if "numpy" in path] or sorted(libraries)
    if not numpys:
        return None
    source, library = folder / "noisy_blas.c", folder / "noisy_blas.so"
    source.write_text(SOURCE)
    defined = [f"-DPREFIX={prefix}", f"-DSUFFIX={suffix}", f"-DINT={'int64_t' if '64' in suffix else 'int'}"]
    call = [compiler, "-shared", "-fPIC", "-O1", "-w", *defined, f'-DLIBRARY="{numpys[0]}"', str(source)]
    subprocess.run([*call, "-o", str(library), "-ldl", "-lm"], check=True)
    return library


def run(arguments: list[str], library: pathlib.Path, quiet: bool = True) -> subprocess.CompletedProcess[str]:
    """Python with `arguments` under the noise; what it says is kept."""
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    return subprocess.run([sys.executable, "-c", START, *arguments], env=environment, capture_output=quiet, text=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        built = build(pathlib.Path(folder))
        sys.exit(
            "no C compiler, or no BLAS of NumPy's to be had"
            if built is None
            else run(sys.argv[1:], built, quiet=False).returncode
        )
