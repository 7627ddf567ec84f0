"""Vector fields of the latent space, defined by small networks that are stored as plain arrays."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional as F

from zatlas.core.arrays import Latents, Values
from zatlas.core.errors import BadData, NotSupported
from zatlas.core.seeds import derive, stream
from zatlas.directions.decoding import progress_bar

Field = Callable[[Latents], Latents]  # the step of one standard deviation at each latent
Outputs = Float32[np.ndarray, "n k"]
Gradients = Float32[np.ndarray, "n k d"]

WIDTH = 128  # units of each hidden layer
STEPS, BATCH, RATE = 1200, 256, 5e-3
BLUR = 0.4  # std of the noise added to latents, so that gradients are averaged over a neighborhood
RIDGE = 0.35  # of the projection that removes other gradients; with 0 they are removed entirely
MAX_GRADIENTS = 1 << 24  # numbers of gradients in memory at a time
ARRAY_NAMES = ("mean", "std", *(f"weight {i}" for i in range(3)), *(f"offset {i}" for i in range(3)))
CONSTANT, GRADIENT, VECTOR = "constant", "gradient", "vector"  # kinds of stored fields

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class AttributeNetwork:
    """A network with two hidden layers of SiLU units, on standardized latents: (n, d) -> (n, k)."""

    mean: Values
    std: Values
    weights: tuple[np.ndarray, np.ndarray, np.ndarray]
    offsets: tuple[np.ndarray, np.ndarray, np.ndarray]

    def __call__(self, z: Latents) -> Outputs:
        h = (z - self.mean) / self.std
        for weight, offset in zip(self.weights[:2], self.offsets[:2], strict=True):
            h = _silu(h @ weight + offset)[0]
        return (h @ self.weights[2] + self.offsets[2]).astype(np.float32)

    def gradients(self, z: Latents) -> Gradients:
        """The gradient of each output with respect to the standardized latents."""
        first, second, last = self.weights
        h, first_gradient = _silu((z - self.mean) / self.std @ first + self.offsets[0])
        _, second_gradient = _silu(h @ second + self.offsets[1])
        back = (last.T[None] * second_gradient[:, None]) @ second.T
        return ((back * first_gradient[:, None]) @ first.T).astype(np.float32)

    def select(self, columns: list[int]) -> "AttributeNetwork":
        """The same network with these outputs only, in this order."""
        weights = (*self.weights[:2], self.weights[2][:, columns])
        offsets = (*self.offsets[:2], self.offsets[2][columns])
        return replace(self, weights=weights, offsets=offsets)


@dataclass(frozen=True)
class ConstantField:
    """The same step everywhere."""

    step: Values

    def __call__(self, z: Latents) -> Latents:
        return np.broadcast_to(self.step, z.shape)


@dataclass(frozen=True)
class GradientField:
    """The gradient of a network's first output, scaled to one std, with the other gradients projected out.

    The projection has a ridge, because the other attributes may depend on the first.
    """

    network: AttributeNetwork
    ridge: float = RIDGE

    def __call__(self, z: Latents) -> Latents:
        outputs = self.network.weights[2].shape[1]
        rows = max(MAX_GRADIENTS // (outputs * z.shape[1]), 1)
        return np.concatenate([self._step(z[i : i + rows]) for i in range(0, max(len(z), 1), rows)])

    def _step(self, z: Latents) -> Latents:
        gradients = self.network.gradients(z).astype(np.float64)
        first, others = gradients[:, 0], gradients[:, 1:]
        if others.shape[1]:
            others = others / np.maximum(np.linalg.norm(others, axis=2, keepdims=True), 1e-9)
            square = others @ others.transpose(0, 2, 1) + self.ridge * np.eye(others.shape[1])
            share = np.linalg.solve(square, others @ first[:, :, None])
            first = first - (others.transpose(0, 2, 1) @ share)[:, :, 0]
        unit = first / np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-9)
        return (unit * self.network.std).astype(np.float32)


@dataclass(frozen=True)
class VectorField:
    """The output of a network with as many outputs as dimensions, in standard deviations."""

    network: AttributeNetwork

    def __call__(self, z: Latents) -> Latents:
        return self.network(z) * self.network.std


def initial_network(latents: Latents, outputs: int, *, seed: int, width: int = WIDTH) -> AttributeNetwork:
    """A network with random weights, standardized for these latents."""
    rng = stream(seed, "layers")
    sizes = [latents.shape[1], width, width, outputs]
    weights = tuple((rng.standard_normal((a, b)) / np.sqrt(a)).astype(np.float32) for a, b in pairwise(sizes))
    offsets = tuple(np.zeros(size, np.float32) for size in sizes[1:])
    std = latents.std(axis=0)
    # A dimension without variance gets the mean std of the others.
    usual = float(std[std > 0].mean()) if (std > 0).any() else 1.0
    std = np.where(std > 1e-6 * usual, std, usual).astype(np.float32)
    return AttributeNetwork(latents.mean(axis=0), std, weights, offsets)  # type: ignore[arg-type]


def fit_network(
    latents: Latents,
    targets: Outputs,
    *,
    probabilities: bool = True,
    blur: float = BLUR,
    steps: int = STEPS,
    seed: int = 0,
    show: bool = False,
) -> AttributeNetwork:
    """Fit a network to targets (n, k): its outputs are log-odds of probabilities, or else numbers."""
    network = initial_network(latents, targets.shape[1], seed=seed)
    x = torch.from_numpy(((latents - network.mean) / network.std).astype(np.float32))
    y = torch.from_numpy(targets.astype(np.float32))
    variables = parameters(network)
    loss_of = F.binary_cross_entropy_with_logits if probabilities else F.mse_loss
    rng = torch.Generator().manual_seed(derive(seed, "fit"))
    optimizer = torch.optim.Adam(variables, lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    with progress_bar(show, "fitting attributes", steps, "steps") as advance:
        for _ in range(steps):
            rows = torch.randint(len(x), (BATCH,), generator=rng)
            noise = torch.randn((BATCH, x.shape[1]), generator=rng)
            loss = loss_of(forward(variables, x[rows] + blur * noise), y[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            advance(1)
    return with_weights(network, variables)


def parameters(network: AttributeNetwork) -> list[Tensor]:
    """The weights and offsets as torch variables."""
    arrays = (*network.weights, *network.offsets)
    return [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]


def forward(variables: list[Tensor], x: Tensor) -> Tensor:
    """The outputs in torch, for standardized latents."""
    for weight, offset in zip(variables[:2], variables[3:5], strict=True):
        x = F.silu(x @ weight + offset)
    return x @ variables[2] + variables[5]


def with_weights(network: AttributeNetwork, variables: list[Tensor]) -> AttributeNetwork:
    """The network with these torch variables as its weights and offsets."""
    arrays = [variable.detach().cpu().numpy() for variable in variables]
    weights, offsets = tuple(arrays[:3]), tuple(arrays[3:])
    return AttributeNetwork(network.mean, network.std, weights, offsets)  # type: ignore[arg-type]


def _silu(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SiLU(x) and its gradient."""
    share = 0.5 * (1 + np.tanh(0.5 * x))
    return x * share, share * (1 + x * (1 - share))


def to_arrays(field: Field) -> tuple[str, Arrays, float]:
    """The kind of a field, its arrays by name, and its ridge."""
    if isinstance(field, ConstantField):
        return CONSTANT, {"step": field.step}, 0.0
    if not isinstance(field, GradientField | VectorField):
        raise NotSupported(
            "This field is a function of your own, which zatlas cannot save. Save its source code instead."
        )
    network = field.network
    arrays = (network.mean, network.std, *network.weights, *network.offsets)
    named = dict(zip(ARRAY_NAMES, arrays, strict=True))
    return (GRADIENT, named, field.ridge) if isinstance(field, GradientField) else (VECTOR, named, 0.0)


def from_arrays(kind: str, arrays: Arrays, ridge: float) -> Field:
    """The field with these arrays; BadData if their shapes do not fit together."""
    if kind == CONSTANT and "step" in arrays:
        return ConstantField(arrays["step"])
    if kind not in (GRADIENT, VECTOR) or not set(ARRAY_NAMES) <= arrays.keys():
        raise BadData(f"These arrays do not define a field of the kind {kind!r}.")
    mean, std, *rest = (arrays[name] for name in ARRAY_NAMES)
    sizes = [mean.size, *(offset.size for offset in rest[3:])]
    shapes = [(sizes[0],), (sizes[0],), *pairwise(sizes), *((size,) for size in sizes[1:])]
    outputs_fit = sizes[-1] == sizes[0] if kind == VECTOR else sizes[-1] > 0
    if [array.shape for array in (mean, std, *rest)] != shapes or not outputs_fit:
        raise BadData("The shapes of this field's layers do not fit together.")
    first, second, third, *offsets = rest
    network = AttributeNetwork(mean, std, (first, second, third), (offsets[0], offsets[1], offsets[2]))
    return GradientField(network, float(ridge)) if kind == GRADIENT else VectorField(network)
