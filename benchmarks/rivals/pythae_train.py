"""Train the same network with pythae's own trainer; prints the same numbers."""

import argparse
import json
import logging
import tempfile
from statistics import median
from time import perf_counter

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--rate", type=float, default=1e-3)
parser.add_argument("--seed", type=int, default=0)
given = parser.parse_args()
logging.disable(logging.INFO)

with np.load(given.data) as arrays:
    train = torch.from_numpy(arrays["x_train"]).float().div(255)[:, None]
    test = torch.from_numpy(arrays["x_test"]).float().div(255)[:, None]


class Clock(TrainingCallback):
    """Measures the training part of each epoch."""

    def __init__(self):
        self.rates = []

    def on_epoch_begin(self, training_config, **kwargs):
        self.begun = perf_counter()

    def on_epoch_end(self, training_config, **kwargs):
        self.rates.append(len(train) / (perf_counter() - self.begun))


torch.manual_seed(given.seed)
model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=16, reconstruction_loss="bce"))
clock = Clock()
with tempfile.TemporaryDirectory() as folder:
    config = BaseTrainerConfig(
        output_dir=folder,
        num_epochs=given.epochs,
        learning_rate=given.rate,
        per_device_train_batch_size=given.batch,
        optimizer_cls="Adam",
        no_cuda=True,
        seed=given.seed,
    )
    data = BaseDataset(train, torch.zeros(len(train)))
    trainer = BaseTrainer(model, data, training_config=config, callbacks=[clock])
    begun = perf_counter()
    trainer.train()
    seconds = perf_counter() - begun

model = trainer._best_model.eval()
total = 0.0
with torch.no_grad():
    for part in test.split(500):
        found = model({"data": part})
        total += float(found.loss) * len(part)
print(json.dumps({"seconds": seconds, "rate": median(clock.rates), "loss": total / len(test)}))
