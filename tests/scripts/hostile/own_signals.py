"""Installs handlers for every signal that it may, sends itself some, and uses an alarm."""

import signal
import time

import torch

received = []
for number in sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}):
    try:
        signal.signal(number, lambda number, frame: received.append(number))
    except OSError:
        pass
w = torch.ones(1, requires_grad=True)
signal.raise_signal(signal.SIGINT)
signal.raise_signal(signal.SIGTERM)
w.sum().backward()
signal.raise_signal(signal.SIGUSR1)
signal.setitimer(signal.ITIMER_REAL, 0.01)
while signal.SIGALRM not in received:
    time.sleep(0.001)
w.sum().backward()
print("received", sorted({int(n) for n in received} & {2, 10, 14, 15}), "gradient", w.grad.item())
