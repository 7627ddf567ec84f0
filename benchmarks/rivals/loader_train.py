"""Train the same network like most tutorials: a dataset of single images, a DataLoader, Adam."""

import argparse
import json
from statistics import median
from time import perf_counter

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--batch", type=int, default=128)
given = parser.parse_args()

with np.load(given.data) as arrays:
    train, labels = arrays["x_train"], arrays["y_train"]


class Images(Dataset):
    """One image at a time, as a PIL image and then a float tensor, like torchvision's MNIST."""

    def __len__(self):
        return len(train)

    def __getitem__(self, index):
        image = Image.fromarray(train[index], mode="L")
        pixels = torch.from_numpy(np.array(image, np.uint8, copy=True)).view(28, 28, 1)
        return pixels.permute(2, 0, 1).contiguous().to(torch.float32).div(255), int(labels[index])


class Plain(nn.Module):
    """784-512-16 and back."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(784, 512)
        self.mean, self.log_variance = nn.Linear(512, 16), nn.Linear(512, 16)
        self.up, self.out = nn.Linear(16, 512), nn.Linear(512, 784)

    def forward(self, x):
        h = F.relu(self.hidden(x.flatten(1)))
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return torch.sigmoid(self.out(F.relu(self.up(z)))), mean, log_variance


torch.manual_seed(0)
model = Plain()
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
loader = DataLoader(Images(), batch_size=given.batch, shuffle=True)
rates = []
for _ in range(given.epochs):
    begun = perf_counter()
    for x, _ in loader:
        rebuilt, mean, log_variance = model(x)
        error = F.binary_cross_entropy(rebuilt, x.flatten(1), reduction="sum")
        rate = -0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp())
        loss = (error + rate) / len(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    rates.append(len(train) / (perf_counter() - begun))
print(json.dumps({"rate": median(rates)}))
