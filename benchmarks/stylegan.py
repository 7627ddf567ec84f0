"""Images per second of StyleGAN2 with random weights: zatlas against NVlabs/stylegan2-ada-pytorch.

    python benchmarks/stylegan.py FOLDER [--side 256] [--rows 1] [--repeats 5]

FOLDER is a checkout of the reference. Both networks get the same weights, and their images are compared.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from common import in_turns, medians, timed
from zatlas.models.importers import stylegan
from zatlas.models.importers.imported import ImportOptions
from zatlas.models.importers.network_pickle import Network

BASE = {256: 16_384}  # channels times pixels, as the reference has them for this size; 32,768 for larger ones


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    sys.path.insert(0, given.folder)
    from training import networks

    torch.manual_seed(0)
    base = {"channel_base": BASE.get(given.side, 32_768)}
    theirs = networks.Generator(512, 0, 512, given.side, 3, {}, base).eval()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state = {key: value.contiguous().clone() for key, value in theirs.state_dict().items()}
        save_file(state, folder / stylegan.FILE)
        network = Network("G_ema", "Generator", {}, {})
        info = stylegan.from_network(network, folder / "x.pkl", folder, ImportOptions())
        ours = stylegan.load({"weights": folder / stylegan.FILE}, info.settings)
    z, label = torch.randn(given.rows, 512), torch.zeros(given.rows, 0)
    runs = {"zatlas": lambda: ours.decode(z), "reference": lambda: theirs(z, label, noise_mode="const")}
    difference = (runs["zatlas"]() - runs["reference"]()).abs().max()
    rates = {name: lambda run=run: given.rows / timed(run) for name, run in runs.items()}
    result = medians(in_turns(given.repeats, rates))
    for name, rate in result.items():
        print(f"{name}: {rate:.2f} images/s")
    print(f"ratio: {result['zatlas'] / result['reference']:.2f}; largest difference: {difference:.1e}")


if __name__ == "__main__":
    main()
