"""Import a torch module of your own as a run, in three lines."""

import torch

from zatlas.create import import_run

decoder = torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.Sigmoid(), torch.nn.Unflatten(1, (1, 8, 8)))
workspace = import_run(decoder, "runs/mine", shape=(16,))
print(workspace.run.gallery / "check.png")
