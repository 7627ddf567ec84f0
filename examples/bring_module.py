"""A torch module of your own becomes a run: three lines, then everything works on it."""

import torch

from zatlas.create import import_model

decoder = torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.Sigmoid(), torch.nn.Unflatten(1, (1, 8, 8)))
workspace = import_model(decoder, "runs/mine", shape=(16,))
print(workspace.run.gallery / "check.png")
