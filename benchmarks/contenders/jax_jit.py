"""JAX with the whole step under `jit`, its old weights donated to the new ones."""

import importlib.util
from typing import Any

import numpy as np

from benchmarks.contenders.functional import initial, updated
from benchmarks.nets import Array, Problem


class JaxJit:
    """`jax.jit` of weights and optimizer state → loss, new weights, new state."""

    def __init__(self, name: str) -> None:
        self.name = name

    def absent(self, problem: Problem) -> str:
        return "" if importlib.util.find_spec("jax") else "jax is not installed (pip install 'handgrad[peers]')"

    def prepare(self, problem: Problem) -> None:
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        # Each step waits for its loss: to hand the work to another thread would only cost.
        jax.config.update("jax_cpu_enable_async_dispatch", False)
        layers = len(problem.net.sizes) - 1
        names = list(problem.weights)
        self.x, self.y = jnp.asarray(problem.x), jnp.asarray(problem.y)
        # W (in, out), as JAX's users keep it.
        weights = {name: jnp.asarray(w.T.copy()) for name, w in problem.weights.items()}
        # A number of weak type: it is a float64, and does not make float64 of what it meets.
        memory = {name: initial(problem, w, lambda: jnp.asarray(1.0)) for name, w in weights.items()}
        self.weights, self.memory = weights, memory

        def forward(weights: Any, x: Any) -> Any:
            for i in range(layers):
                x = x @ weights[names[2 * i]] + weights[names[2 * i + 1]]
                x = jax.nn.relu(x) if i < layers - 1 else x
            return x

        def evaluate(weights: Any, x: Any, y: Any) -> Any:
            z = forward(weights, x)
            if problem.net.loss == "BCEWithLogitsLoss":
                return jnp.mean(jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z))))
            rows = jnp.arange(len(y))
            return jnp.mean(jax.nn.logsumexp(z, axis=1) - z[rows, y])

        def step(weights: Any, memory: Any, x: Any, y: Any) -> Any:
            value, gradients = jax.value_and_grad(evaluate)(weights, x, y)
            new = {name: updated(problem, w, gradients[name], memory[name]) for name, w in weights.items()}
            return value, {name: w for name, (w, _) in new.items()}, {name: s for name, (_, s) in new.items()}

        self.call, self.run = jax.jit(step, donate_argnums=(0, 1)), jax.jit(forward)

    def step(self) -> float:
        value, self.weights, self.memory = self.call(self.weights, self.memory, self.x, self.y)
        return float(value)

    def state(self) -> dict[str, Array]:
        return {name: np.array(w).T for name, w in self.weights.items()}

    def forward(self) -> Any:
        return np.asarray(self.run(self.weights, self.x))
