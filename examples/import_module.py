"""Import a torch module of your own as a run, in three lines."""

import torch

import zatlas

decoder = torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.Sigmoid(), torch.nn.Unflatten(1, (1, 8, 8)))
atlas = zatlas.import_model(decoder, "runs/mine", shape=(16,))
print(atlas.workspace.run.gallery / "check.png")
