"""A lesson of one weight, small enough to know every number of it."""

SCRIPT = """\
import torch

w = torch.tensor([1.0], requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.25)
for epoch in range(3):
    optimizer.zero_grad()
    loss = (w * 3.0).sum()
    loss.backward()
    optimizer.step()
    print(w.item())
"""
"""The gradient is always 3, so w goes 1, 0.25, -0.5, -1.25, and the losses are 3, 0.75 and -1.5."""

BEATS = """
[[beat]]
title = "The weight"
keep = {w0 = "w[0]"}
say = "w is {w[0] = 1}."

[[beat]]
title = "The gradient"
at = {kind = "accumulate", tensor = "w", when = "before"}
say = "`.grad` is {w.grad}, w is {w[0] = 1}."
[beat.ask]
kind = "number"
question = "w is {w[0] = 1}. What will `.grad` be?"
answer = "w.grad[0]"
after = {kind = "accumulate", tensor = "w"}
slips = [{value = "0.7", say = "Not {lr = 0.25} and not {w0 = 1}."}]
why = "It is {w.grad[0] = 3}."

[[beat]]
title = "The step"
at = {kind = "update", tensor = "w"}
keep = {w1 = "w[0]"}
check = ["op.grad[0] == 3"]
say = "{w0 = 1} − {lr = 0.25} · {op.grad[0] = 3} = {op.after[0] = 0.25}."

[[beat]]
title = "A number that is there"
say = "It stands in the panes."
[beat.ask]
kind = "number"
question = "What is w?"
answer = "w[0]"
why = "{w[0] = 0.25}."

[[beat]]
title = "A choice"
at = {iteration = 2, kind = "step", when = "before"}
say = "The step comes."
[beat.ask]
kind = "choice"
question = "Where will w go?"
choices = ["up", "down"]
right = 2
check = "w[0] < w1"
after = {iteration = 2, kind = "step"}
why = "To {w[0] = -0.5}."

[[beat]]
title = "Again"
again = true
switch = {lr = "1"}
say = "From the start, with a rate of 1 instead of {lr = 0.25}."

[[beat]]
title = "A longer step"
at = {kind = "update", tensor = "w"}
say = "To {w[0] = -2}, not {w1 = 0.25}."
[beat.ask]
kind = "largest"
question = "Which is largest?"
choices = ["w", "its gradient"]
values = ["w[0]", "w.grad[0]"]
why = "{w.grad[0] = 3} is."

[[beat]]
title = "The end"
at = "end"
check = ["len(printed) == 3", "printed[-1] == w[0]"]
say = "{printed[-1] = -8}."
"""
