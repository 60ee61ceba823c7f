"""Starts programs, reads their output and exit status, and waits for any child."""

import os
import subprocess
import sys

import torch

w = torch.ones(1, requires_grad=True)
w.sum().backward()
print("echo:", subprocess.run(["echo", "hello"], capture_output=True, text=True).stdout.strip())
print("status:", subprocess.run([sys.executable, "-S", "-c", "raise SystemExit(5)"]).returncode)
print("system:", os.waitstatus_to_exitcode(os.system("exit 6")))
sys.stdout.flush()
subprocess.run(["echo", "straight to the standard output"])
try:
    os.wait()
except ChildProcessError:
    print("no other child")
pid = os.fork()
if pid == 0:
    os._exit(7)
print("forked:", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
w.sum().backward()
print("gradient", w.grad.item())
