"""A character language model: nn.TransformerEncoder, AdamW, warm-up and cosine schedule, clipping."""

import argparse
import math

import torch
from torch import nn

TEXT = """Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date;
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance or nature's changing course untrimm'd;
But thy eternal summer shall not fade,
Nor lose possession of that fair thou ow'st;
Nor shall death brag thou wander'st in his shade,
When in eternal lines to time thou grow'st:
So long as men can breathe or eyes can see,
So long lives this, and this gives life to thee.
"""


class CharTransformer(nn.Module):
    def __init__(self, vocabulary, block, width=64, heads=4, layers=2):
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.randn(block, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.head = nn.Linear(width, vocabulary)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(block))

    def forward(self, tokens):
        n = tokens.shape[1]
        x = self.token(tokens) + self.position[:n]
        x = self.encoder(x, mask=self.mask[:n, :n], is_causal=True)
        return self.head(x)


def get_batch(data, block, size):
    starts = torch.randint(len(data) - block - 1, (size,))
    x = torch.stack([data[i : i + block] for i in starts])
    y = torch.stack([data[i + 1 : i + block + 1] for i in starts])
    return x, y


def schedule(warmup, total):
    def factor(step):
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))

    return factor


@torch.no_grad()
def evaluate(model, criterion, data, block):
    model.eval()
    x = data[: 8 * block].view(8, block)
    y = data[1 : 8 * block + 1].view(8, block)
    loss = criterion(model(x).flatten(0, 1), y.flatten())
    model.train()
    return loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--block", type=int, default=32)
    args = parser.parse_args()

    torch.manual_seed(1337)
    characters = sorted(set(TEXT))
    data = torch.tensor([characters.index(c) for c in TEXT])
    model = CharTransformer(len(characters), args.block)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule(10, args.iterations))
    criterion = nn.CrossEntropyLoss()
    for i in range(args.iterations):
        x, y = get_batch(data, args.block, args.batch)
        logits = model(x)
        loss = criterion(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        if i % 10 == 0 or i == args.iterations - 1:
            held_out = evaluate(model, criterion, data, args.block)
            rate = scheduler.get_last_lr()[0]
            print(f"{i}: loss {loss.item():.9g} eval {held_out:.9g} norm {norm:.9g} lr {rate:.9g}")
    return model, optimizer


if __name__ == "__main__":
    model, optimizer = main()
