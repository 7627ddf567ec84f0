"""Writes the fixtures of the page's tests: `python -m tests.write_fixtures`, or `just docs`."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.story_cases import FLAWED, GOOD
from zatlas.core.arrays import Latents
from zatlas.core.portable import PortableRandom
from zatlas.core.space import Space
from zatlas.directions import estimate as directions
from zatlas.directions import field_networks, preference, probes
from zatlas.directions.types import FieldDirection
from zatlas.latent import arithmetic, chart, curves, density, priors, timeline
from zatlas.latent.neighbors import nearest
from zatlas.latent.sampling import fit_mixture
from zatlas.models.flow import Flow
from zatlas.site.run_page import density_entry

FIXTURES = Path(__file__).parents[1] / "web" / "test" / "fixtures"
COUNT, DIM = 80, 6


def fixtures() -> dict[str, Any]:
    """The content of each JSON file by name, and the bytes of the model; the same on every call."""
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((COUNT, DIM)).astype(np.float32) * [3, 2, 1.5, 1, 0.5, 0.2] + 0.3
    latents = latents.astype(np.float32)
    cases = {
        "curves": curve_cases(rng),
        "timelines": timeline_cases(),
        "charts": chart_cases(latents, rng),
        "arithmetic": arithmetic_cases(),
        "neighbors": neighbor_case(latents, rng),
        "directions": direction_case(latents, rng),
        "priors": prior_cases(),
        "fields": field_cases(),
        "random": random_cases(),
        "principal": principal_case(),
        "compass": compass_cases(),
        "stories": {"good": GOOD, "flawed": {name: list(case) for name, case in FLAWED.items()}},
    }
    cases["conditional"], model = conditional_model(rng)
    return {**{f"{name}.json": plain(case) for name, case in cases.items()}, "conditional.onnx": model}


def main() -> None:
    for name, content in fixtures().items():
        data = (
            content
            if isinstance(content, bytes)
            else (json.dumps(content, separators=(",", ":")) + "\n").encode()
        )
        (FIXTURES / name).write_bytes(data)


def curve_cases(rng: np.random.Generator) -> dict[str, Any]:
    """Curves of every kind through a few knots, sampled."""
    anchors = rng.standard_normal((5, DIM)).astype(np.float32)
    zero = np.zeros((1, DIM), np.float32)
    a, b = anchors[:1], anchors[1:2]
    pairs = {"different": (a, b), "same": (a, a), "opposite": (a, -a), "center": (zero, b)}
    path = curves.Curve(anchors)
    changes = rng.random(40).astype(np.float32)
    images = np.concatenate([[0], np.cumsum(changes)]).astype(np.float32).reshape(-1, 1, 1, 1)
    constant_speed = curves.at_constant_speed(path, lambda _: images, pieces=40)
    return {
        "knots": anchors,
        "pairs": [[name, *ends, *both(*ends)] for name, ends in pairs.items()],
        "slerp": path.sample(13),
        "loop": curves.loop(anchors, curves.lerp).sample(13),
        "walk": curves.line_along(a, anchors[1]).sample(7),
        "splines": [
            [count, closed, norms, curves.spline(anchors[:count], closed=closed, norms=norms).sample(29)]
            for count in (2, 3, 5)
            for closed in (False, True)
            for norms in (False, True)
        ],
        "changes": changes,
        "steady": constant_speed.sample(17),
        "marks": list(constant_speed.named_times),
        "spiral": curves.spiral(turns=3, extent=1.5).sample(25),
    }


def timeline_cases() -> list[dict[str, Any]]:
    """Timelines of each easing, open and closed, and the latents of their frames."""
    anchors = np.random.default_rng(4).standard_normal((4, DIM)).astype(np.float32)
    holds, seconds = (0.5, 0, 0.25, 1), (1, 2.5, 0.4, 0.75)
    settings = zip(holds, seconds, timeline.EASINGS, strict=True)
    timings = [timeline.Timing(*each) for each in settings]
    cases = []
    for closed in (False, True):
        curve = curves.spline(anchors, closed=closed)
        frames = timeline.frame_count(timings, closed, 4)
        moments = timeline.frame_times(timings, closed, frames)
        times = timeline.curve_times(timings, curve.named_times, closed, moments)
        rows = [{"hold": t.hold, "seconds": t.seconds, "easing": t.easing} for t in timings]
        case = {"closed": closed, "anchors": anchors, "timings": rows, "frames": frames, "seconds": moments}
        cases.append({**case, "times": times, "latents": curve(times)})
    return cases


def both(a: Latents, b: Latents) -> tuple[Latents, Latents]:
    """lerp and slerp between two latents, at quarters."""
    t = np.linspace(0, 1, 5, dtype=np.float32)[:, None]
    ends = np.repeat(a, 5, axis=0), np.repeat(b, 5, axis=0)
    return curves.lerp(*ends, t), curves.slerp(*ends, t)


def arithmetic_cases() -> list[dict[str, Any]]:
    """Equations of groups of few and of many latents, with a step of a direction, for every kind of prior."""
    return [
        arithmetic_case(Space((dim,), prior), sizes)
        for prior in ("normal", "sphere", "none")
        for dim, sizes in ((2, (3, 3, 3)), (16, (3, 3, 3)), (16, (1, 30, 40)), (16, (30, 26)))
    ]


def arithmetic_case(space: Space, sizes: tuple[int, ...]) -> dict[str, Any]:
    """One equation, the means of its terms and its result."""
    rng = np.random.default_rng(space.dim)
    groups = []
    for number, size in enumerate((*sizes, 1)):
        latents = rng.standard_normal((size, space.dim)).astype(np.float32)
        is_step = number == len(sizes)
        groups.append(arithmetic.Group(-1 if number == 1 else 1, "", latents, is_step=is_step))
    terms = [{"sign": each.sign, "latents": each.latents, "step": each.is_step} for each in groups]
    means = [arithmetic.mean_latent(each.latents, space) for each in groups]
    result = arithmetic.combine(groups, space)
    return {"prior": space.prior, "dim": space.dim, "terms": terms, "means": means, "result": result}


def chart_cases(latents: Latents, rng: np.random.Generator) -> list[dict[str, Any]]:
    """A nonlinear chart, a linear projection, and a chart of two dimensions."""
    curved = np.stack([latents[:, 0] + latents[:, 1] ** 2 / 4, np.sin(latents[:, 1]) + latents[:, 2]], axis=1)
    charts = {
        "nonlinear": chart.Chart(latents, curved.astype(np.float32)),
        "pca": chart.make_chart(latents, "pca"),
        "dimensions": chart.dimension_chart(latents, 0, 2),
    }
    return [chart_case(name, fitted, rng) for name, fitted in charts.items()]


def chart_case(name: str, fitted: chart.Chart, rng: np.random.Generator) -> dict[str, Any]:
    """A chart, its inverse at some positions, and positions of some latents."""
    (left, low), (right, high) = fitted.box
    queries = rng.uniform([left, low], [right, high], (12, 2)).astype(np.float32)
    queries = np.concatenate([queries, fitted.positions[:2]])
    z = np.concatenate([fitted.latents[:3], fitted.latents[3:9] + np.float32(0.2)])
    projection = None
    if fitted.components is not None:
        projection = {"components": fitted.components, "mean": fitted.center, "origin": fitted.origin}
    return {
        "name": name,
        "latents": fitted.latents,
        "positions": fitted.positions,
        "box": [left, low, right, high],
        "projection": projection,
        "lattice": fitted.grid(9)[1],
        "reach": fitted.neighbor_radius,
        "queries": queries,
        "inverse": fitted.inverse_transform(queries),
        "covers": fitted.covers(queries),
        "z": z,
        "forward": fitted.transform(z),
    }


def neighbor_case(latents: Latents, rng: np.random.Generator) -> dict[str, Any]:
    """Neighbors of a few latents, and their distance from the data; the last dimension is noise."""
    latents = np.concatenate([latents[:, :5], 0.01 * latents[:, 5:]], axis=1)
    z = np.concatenate([latents[:2], rng.standard_normal((4, DIM)).astype(np.float32) * 4])
    rows, distances = nearest(z, latents, 7)
    std = np.full_like(latents, 0.2)
    std[:, 5] = 1
    data = density.density(latents, std)
    return {
        "latents": latents,
        "z": z,
        "rows": rows,
        "distances": distances,
        "density": density_entry(data),
        "relative_distances": data.relative_distance(z),
    }


def direction_case(latents: Latents, rng: np.random.Generator) -> dict[str, Any]:
    """Directions by example, made orthogonal to others, and their side effects."""
    flags = {name: latents @ rng.standard_normal(DIM) > 0.4 for name in ("smile", "hat", "beard")}
    normals = [directions.plane_normal(latents, flags[name], name) for name in ("hat", "beard")]
    by_example = directions.example_direction(latents[:20], latents[20:50], "smile", latents)
    clean = directions.orthogonalize(by_example, normals, latents)
    fitted = probes.fit_probes(latents, flags)
    return {
        "latents": latents,
        "normals": np.stack([normal.vector for normal in normals]),
        "example_direction": {"vector": by_example.vector, "std": by_example.std},
        "orthogonal": {"name": clean.name, "vector": clean.vector, "std": clean.std},
        "moved": clean.move(latents[:4], 1.5),
        "probes": {"names": fitted.names, "weights": fitted.weights.T, "offsets": fitted.offsets},
        "read": fitted.predict(latents[:5]),
        "effects": directions.with_side_effects(by_example, latents, flags, fitted).side_effects,
    }


def field_cases() -> dict[str, Any]:
    """Nonlinear directions of both kinds, and latents that they move."""
    rng = np.random.default_rng(7)
    latents = (rng.standard_normal((60, 5)) * [1, 2, 0.5, 1, 3] + [0, 1, 0, -2, 0]).astype(np.float32)
    amounts, starts = [0.0, 1.0, -2.5, 3.2], latents[:4]

    def layers(outputs: int, width: int) -> field_networks.AttributeNetwork:
        initial = field_networks.initial_network(latents, outputs, seed=outputs, width=width)
        offsets = [0.3 * rng.standard_normal(o.shape).astype(np.float32) for o in initial.offsets]
        return replace(initial, offsets=tuple(offsets))

    cases = []
    gradients = [field_networks.GradientField(layers(outputs, 8)) for outputs in (3, 1)]
    for field in (*gradients, field_networks.VectorField(layers(5, 6))):
        _, arrays, ridge = field_networks.to_arrays(field)
        kind = "gradient" if isinstance(field, field_networks.GradientField) else "vector"
        sizes = [5, *(arrays[f"offset {i}"].size for i in range(3))]
        cases.append(
            {
                "about": {"kind": kind, "sizes": sizes, "ridge": ridge},
                "numbers": np.concatenate([arrays[name].ravel() for name in field_networks.ARRAY_NAMES]),
                "moved": [FieldDirection("field", field).move(starts, amount) for amount in amounts],
            }
        )
    return {"latents": starts, "amounts": amounts, "fields": cases}


def prior_cases() -> dict[str, Any]:
    """Files of fitted priors, and the latents that they map noise to."""
    description = priors.PriorDescription("flow", "model", "data", 600, 0, 60, 1.0, 0.0)
    flows, mixtures = [], []
    for dim in (1, 2, 5):
        rng = np.random.default_rng(dim)
        latents = np.sin(3 * rng.standard_normal((600, dim)).astype(np.float32)).cumsum(axis=1)
        noise = np.float32(1.5) * rng.standard_normal((12, dim)).astype(np.float32)
        flow = priors.FlowPrior(random_flow(dim))
        file = prior_file(priors.SavedPrior(flow, description, FIXTURES / "prior"))
        flows.append({"dim": dim, "file": file, "noise": noise, "latents": flow.transform(noise)})
        mixture = fit_mixture(latents, components=3, seed=dim)
        file = prior_file(
            priors.SavedPrior(mixture, replace(description, kind="mixture"), FIXTURES / "prior")
        )
        component = np.arange(12) % len(mixture.weights)
        arrays = {"weights": mixture.weights, "means": mixture.means, "component": component}
        samples = mixture.transform(component, noise)
        mixtures.append({"dim": dim, "file": file, **arrays, "noise": noise, "latents": samples})
    return {"flows": flows, "mixtures": mixtures}


def random_flow(dim: int) -> Flow:
    """A small flow in which no layer is the identity."""
    with torch.random.fork_rng():
        torch.manual_seed(dim)
        flow = Flow(dim, width=6, couplings=6)
        for weights in flow.parameters():
            weights.data += 0.3 * torch.randn_like(weights)
        flow.mean += torch.randn(dim)
        flow.factor += 0.3 * torch.randn(dim, dim).tril(-1)
    return flow.eval()


def prior_file(saved: priors.SavedPrior) -> str:
    """A prior's file as base64."""
    data = priors.save_prior(saved).read_bytes()
    saved.path.unlink()
    return base64.b64encode(data).decode()


def random_cases() -> list[dict[str, Any]]:
    """Uniform and normal numbers of some seeds and streams."""
    cases = []
    for seed, stream in ((0, 0), (1, 0), (7, 3), (2**32 + 5, 1), (987_654_321, 2)):
        uniform = PortableRandom(seed, stream).uniform(9)
        case = {
            "seed": seed,
            "stream": stream,
            "uniform": uniform,
            "normal": PortableRandom(seed, stream).normal(9),
        }
        cases.append(case)
    return cases


def skewed(count: int, dim: int) -> Latents:
    """Latents with a different variance and a long tail along each component."""
    rng = np.random.default_rng(dim)
    latents = (rng.gamma(2.0, size=(count, dim)) - 2) * np.linspace(2, 0.6, dim)
    rotated: Latents = (latents @ np.linalg.qr(rng.standard_normal((dim, dim)))[0] + 0.5).astype(np.float32)
    return rotated


def principal_case() -> dict[str, Any]:
    """Principal components with their signs."""
    latents = skewed(300, 5)
    result = directions.principal_directions(latents, 5)
    components, std = [item.vector for item in result], [item.std for item in result]
    return {"dim": 5, "latents": latents, "components": np.stack(components), "std": std}


def compass_cases() -> list[dict[str, Any]]:
    """Questions, posteriors and angles of the compass while it is answered, with pairs and with groups."""
    return [compass_case(40, 5, 3), compass_case(60, 18, 2**33 + 1)]


def compass_case(count: int, dim: int, seed: int) -> dict[str, Any]:
    state = preference.compass(skewed(count, dim), seed=seed)
    case: dict[str, Any] = {"seed": seed, "dim": dim, "latents": state.starts}
    case |= {"components": state.components, "std": state.std, "steps": []}
    for number in range(6):
        visible, choice = state.next_question(), None if number == 2 else number % state.count
        state = state.answer(choice)
        result = state.direction()
        step = {"shown": visible, "choice": choice, "vector": result.vector, "std": result.std}
        case["steps"].append(step | {"angle": state.angle})
    return case


def conditional_model(rng: np.random.Generator) -> tuple[dict[str, Any], bytes]:
    """A tiny conditional decoder as ONNX, and images that it decodes."""
    weights = rng.standard_normal((2, 12)).astype(np.float32)
    classes = rng.standard_normal((3, 12)).astype(np.float32)
    shape = np.array([-1, 3, 2, 2], np.int64)
    constants: dict[str, np.ndarray] = {"weights": weights, "classes": classes, "shape": shape}
    nodes = [
        helper.make_node("MatMul", ["z", "weights"], ["linear"]),
        helper.make_node("Gather", ["classes", "y"], ["bias"]),
        helper.make_node("Add", ["linear", "bias"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["x"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 2]),
            helper.make_tensor_value_info("y", TensorProto.INT64, ["n"]),
        ],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 2, 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", 18)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    z, y = rng.standard_normal((5, 2)).astype(np.float32), np.array([0, 1, 2, 2, 0])
    x = 1 / (1 + np.exp(-(z @ weights + classes[y])))
    return {"z": z, "y": y, "x": x}, model.SerializeToString()


def plain(value: Any) -> Any:
    """The value as JSON holds it: arrays as flat lists, numbers with the digits of a float32."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return [plain(number) for number in value.ravel().tolist()]
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.8g}")
    return value.item() if isinstance(value, np.generic) else value


if __name__ == "__main__":
    main()
