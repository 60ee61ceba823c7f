"""Every source of randomness that a script may seed, and a digest of what it leaves behind."""

import hashlib
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def set_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class Trainer:
    def __init__(self):
        self.model = nn.Sequential(
            nn.Linear(20, 40),
            nn.Tanh(),
            nn.Dropout(0.5),
            nn.Linear(40, 40),
            nn.AlphaDropout(0.2),
            nn.Linear(40, 2),
        )
        self.optimizer = torch.optim.Adamax(self.model.parameters(), lr=0.01)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(self.optimizer, 5)

    def batch(self):
        x = torch.from_numpy(np.random.standard_normal((32, 20)).astype(np.float32))
        x[:, random.randrange(20)] = 0
        return x, (x.sum(1) > 0).long()

    def fit(self, iterations):
        for _ in range(iterations):
            x, y = self.batch()
            loss = F.cross_entropy(F.dropout(self.model(x), 0.1), y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
        return loss.item()


def digest(trainer):
    sha = hashlib.sha256()
    for tensor in trainer.model.state_dict().values():
        sha.update(tensor.numpy().tobytes())
    sha.update(torch.get_rng_state().numpy().tobytes())
    sha.update(repr((random.getstate(), np.random.random())).encode())
    return sha.hexdigest()


if __name__ == "__main__":
    import sys

    set_seed(10)
    trainer = Trainer()
    print("loss", trainer.fit(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
    print("digest", digest(trainer))
