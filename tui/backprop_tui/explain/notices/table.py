"""Every notice that there is: what it is called, what it says, and why it matters."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One kind of notice."""

    title: str
    confusions: tuple[int, ...]
    """Which of the thirty confusions it is about; none for what else is met."""
    what: str
    """When it is given, in one line."""
    why: str
    look: str
    """What to look at."""


TABLE: dict[str, Entry] = {
    # gradients that add up
    "stale-gradient": Entry(
        "zero_grad forgotten",
        (1,),
        "a gradient that a step has already used is added to and used again",
        "backward() adds to .grad and never clears it, so this step follows the sum of two passes.",
        "Parameters: .grad before and after each AccumulateGrad. optimizer.zero_grad() before backward() "
        "clears it; z can only switch off, and on again, a zero_grad that the script calls.",
    ),
    "accumulation-sum": Entry(
        "accumulation without division",
        (20,),
        "several mean losses are backpropagated into one step, none of them divided",
        "Each loss is already a mean, so the sum of their gradients is as many times too long as there are "
        "passes.",
        "Divide each loss by the number of passes, or compare .grad after each AccumulateGrad.",
    ),
    "backward-twice": Entry(
        "backward twice through one graph",
        (3,),
        "a graph is gone through twice: an error, or with retain_graph=True a doubled gradient",
        "A graph is freed by its first backward pass; if it is retained, the second pass adds the same "
        "gradient again.",
        "The two backward() lines: each pass needs a forward pass of its own.",
    ),
    "not-in-optimizer": Entry(
        "parameter in no optimizer",
        (16,),
        "a parameter receives a gradient, but no optimizer holds it",
        "model.parameters() finds modules that are attributes or in a ModuleList; those in a plain list or "
        "made later are not found, are never updated, and zero_grad does not clear them.",
        "Parameters: the column of the optimizer is empty there.",
    ),
    "stale-parameters": Entry(
        "optimizer holds old parameters",
        (17,),
        "the optimizer holds a parameter that gets no gradient, the model one of the same shape that it "
        "lacks",
        "A layer replaced after the optimizer was made has new parameters; the optimizer still holds the "
        "old ones.",
        "Make the optimizer after the model is complete.",
    ),
    "grad-none": Entry(
        "gradient is None",
        (2,),
        "a step skips a parameter, because its gradient is None and not 0",
        "A parameter without a gradient is passed over whole: neither momentum nor weight decay acts on "
        "it. zero_grad() sets gradients to None, so .grad is not a tensor until the next backward().",
        "Parameters: None, 0 and a number are three different things.",
    ),
    "graph-cut": Entry(
        "the graph is cut",
        (6,),
        "backward() finds nothing behind the loss, or only operations that pass no gradient",
        "A value that went through no_grad, detach(), item(), argmax or a new tensor has no history, nor has "
        "one of frozen parameters (requires_grad=False) alone, and rounding has slope 0: no gradient can "
        "reach a parameter.",
        "The operations of the forward pass: the first one whose output requires no gradient.",
    ),
    "graph-kept": Entry(
        "a sum keeps every graph alive",
        (5,),
        "losses of several iterations are added up with their graphs",
        "The sum requires a gradient, so it holds the graph of every loss in it, and memory grows with "
        "each iteration.",
        "Add loss.item() (or loss.detach()) instead.",
    ),
    "non-leaf-grad": Entry(
        ".grad of a non-leaf",
        (7,),
        "the script reads .grad of a tensor that an operation made, which is None",
        "Autograd keeps gradients for leaves only; those of everything between pass through and are thrown "
        "away.",
        "This operation, in the backward pass: the gradient that goes through it. retain_grad() keeps it.",
    ),
    "data-changed": Entry(
        "changed behind autograd's back",
        (30,),
        "a value is changed through .data after the graph was built, and backward() uses it",
        ".data shares the memory but not the version counter, so autograd cannot see that what it saved is "
        "now wrong.",
        "Use detach(), which lets autograd notice, or compute a new tensor.",
    ),
    "saved-tensor-changed": Entry(
        "a saved tensor was changed",
        (4,),
        "backward() fails because an operation changed a tensor in place that autograd had saved",
        "The slope of an operation is computed from the values it saw; after the change they are gone.",
        "The operation named here: use its form without the trailing underscore, or step after every "
        "backward pass.",
    ),
    "update-made-a-new-tensor": Entry(
        "an update by hand made a new tensor",
        (8,),
        "w = w - lr * w.grad gives a new tensor that is no leaf, or w -= ... fails on a leaf",
        "The assignment makes the name mean another tensor: its .grad stays None, and no optimizer knows it.",
        "Change it in place under torch.no_grad(): w -= lr * w.grad.",
    ),
    "checkpoint-no-grad": Entry(
        "checkpoint cuts the graph",
        (),
        "checkpoint() is given inputs none of which requires a gradient",
        "The re-entrant checkpoint gives its output a history only if an input has one.",
        "Use use_reentrant=False, or let the input require a gradient.",
    ),
    # the loss
    "broadcast-loss": Entry(
        "prediction and target broadcast",
        (11,),
        "the difference of (N, 1) and (N,) is an N×N table, all of which is averaged",
        "Every prediction is compared with every target, so even a perfect prediction has a loss and a "
        "gradient.",
        "This operation: its input shapes. Give both the same shape with squeeze(1), unsqueeze(1) or "
        "view_as.",
    ),
    "softmax-twice": Entry(
        "softmax before cross-entropy",
        (12,),
        "the input of cross_entropy has been through softmax, or that of bce_with_logits through sigmoid",
        "The loss applies it itself; a second time flattens the differences, shrinks the gradient and sets "
        "a floor.",
        "This operation: the loss takes the raw outputs (logits).",
    ),
    "saturated-bce": Entry(
        "BCELoss on saturated or raw outputs",
        (13,),
        "a prediction is exactly 0 or 1 against the opposite target, or outside 0 to 1",
        "log(0) is clamped to −100, and the slope of the sigmoid is exactly 0 there: the worst mistakes "
        "teach nothing.",
        "Use BCEWithLogitsLoss on the values before the sigmoid.",
    ),
    "dtype": Entry(
        "dtypes do not fit",
        (14,),
        "a loss or a layer is given another dtype than it computes in, or class targets that are none",
        "numpy computes in float64 and torch in float32; classes are int64 indices from 0 to C − 1.",
        "This operation: dtype and shape of each input. x.float(), y.long().",
    ),
    "reduction": Entry(
        "backward() of more than one number",
        (21,),
        "backward() is called on a loss that was not reduced to one number",
        "A gradient is that of one number; for several, backward() needs a weight for each (its gradient "
        "argument).",
        "The loss: reduction='mean' or 'sum', or call .mean() on it.",
    ),
    "kink": Entry(
        "an error of exactly 0 under L1",
        (22,),
        "L1Loss meets an error that is exactly 0, where |e| has no slope",
        "torch chooses slope 0 there: the element counts in N, but pushes nothing.",
        "The loss's backward node: sign(e)/N is ±1/N or 0, whatever the size of the error.",
    ),
    "constant-in-loss": Entry(
        "a constant in the loss",
        (23,),
        "a constant is subtracted from the loss that backward() is called on",
        "The slope of a constant is 0: the loss is another number, even a negative one, and every gradient "
        "the same.",
        "The first backward node: it passes on 1.",
    ),
    # modes
    "train-mode-in-evaluation": Entry(
        "evaluation in training mode",
        (18,),
        "a loss or a prediction is computed under no_grad from a model whose dropout or batch norm still "
        "trains",
        "no_grad() switches off gradients, not dropout; model.eval() does that, and batch norm then uses "
        "its running statistics and leaves them alone.",
        "Network: modules in training mode. Call model.eval() before, model.train() after.",
    ),
    "batch-of-one": Entry(
        "batch norm of one value",
        (19,),
        "batch norm in training mode is given one value per channel",
        "The variance of one value is 0; often the last batch of a loader is that small.",
        "The batch's first dimension. DataLoader(drop_last=True), or model.eval() for a single sample.",
    ),
    "frozen-batch-norm-moves": Entry(
        "frozen batch norm moves",
        (19,),
        "batch norm without trainable weights still updates its running statistics",
        "requires_grad=False stops gradients; running mean and variance are buffers, moved by every "
        "forward pass in training mode.",
        "Parameters: the buffers running_mean and running_var. Call .eval() on the frozen part.",
    ),
    "frozen-moves": Entry(
        "a frozen parameter moves",
        (15,),
        "a parameter with requires_grad=False is changed by a step",
        "A gradient of 0 is not None: the optimizer goes on with momentum, decay and averages from before.",
        "This operation: the state. Set .grad to None, or leave the parameter out of the optimizer.",
    ),
    # the step
    "step-twice": Entry(
        "two steps for one gradient",
        (),
        "an optimizer steps twice without a backward pass between",
        "The second step uses the same gradients again.",
        "Parameters: .grad is the same at both steps.",
    ),
    "step-without-gradients": Entry(
        "a step without gradients",
        (),
        "a step finds no gradient at all and does nothing",
        "Gradients are None before the first backward(), after zero_grad(), and where no path leads from the "
        "loss to the parameter.",
        "The order (backward(), step(), zero_grad()), and where the gradients of backward() went.",
    ),
    "lr-zero": Entry(
        "a step with learning rate 0",
        (),
        "every update of a step has learning rate 0",
        "The step is computed and multiplied by 0; a warm-up that begins at 0 wastes its first iteration.",
        "Learning rate curve.",
    ),
    "adam-l2": Entry(
        "weight decay in Adam",
        (24,),
        "Adam is given weight_decay, which it adds to the gradient",
        "Adam divides by the size of the gradient, and so also the decay that was added to it: weights "
        "with large gradients hardly decay. AdamW takes the decay off the weight itself.",
        "This operation: where λ enters, before m and v or after.",
    ),
    "adam-step-is-lr": Entry(
        "clipping does not shorten Adam's step",
        (25,),
        "gradients are clipped to a hundredth or less before a step of Adam",
        "Adam divides the mean gradient by its own size, so a factor on all gradients cancels: the step is "
        "about lr.",
        "The update: m̂/√v̂ before and after.",
    ),
    "clip-order": Entry(
        "clipping at the wrong place",
        (26,),
        "gradients are clipped before backward(), after the step, or before they are unscaled",
        "Clipping changes the .grad that are there at that moment: between backward() and step(), and "
        "after unscale_().",
        "The order of the lines: backward, unscale_, clip, step.",
    ),
    "clip-non-finite": Entry(
        "clipping with a norm that is not finite",
        (26,),
        "the norm that clipping divides by is infinite or NaN",
        "max_norm / ∞ is 0 and 0 · ∞ is NaN, so clipping spoils gradients instead of saving them.",
        "error_if_nonfinite=True stops here; the first operation that is not finite is the cause.",
    ),
    "duplicate-parameters": Entry(
        "a parameter twice in one optimizer",
        (),
        "an optimizer is given the same parameter more than once",
        "Each mention is updated: the parameter moves twice a step.",
        "The line that makes the optimizer.",
    ),
    "optimizer-empty": Entry(
        "an optimizer without parameters",
        (),
        "an optimizer is made from an empty list",
        "parameters() finds nothing in a model whose layers are in a plain Python list, and a generator is "
        "empty after it was gone through once.",
        "Use nn.ModuleList; give the optimizer list(model.parameters()).",
    ),
    "optimizer-of-non-leaf": Entry(
        "an optimizer over a non-leaf",
        (),
        "an optimizer is given a tensor that an operation made",
        "w * 0.1 or w.to(...) of a leaf is a new tensor with a history; an optimizer can only change leaves.",
        "Make the value first, then requires_grad_().",
    ),
    # rates
    "scheduler-first": Entry(
        "scheduler before optimizer",
        (9,),
        "scheduler.step() comes before the first optimizer.step()",
        "The first value of the schedule is never used: every update runs one value ahead.",
        "Learning rate curve. The order is optimizer.step(), then scheduler.step().",
    ),
    "get-lr": Entry(
        "get_lr() is not the rate in use",
        (10,),
        "the script asks get_lr() outside of scheduler.step()",
        "get_lr() computes what the next step() would set from the rate in use, so at a milestone the "
        "factor is there twice.",
        "Learning rate curve. get_last_lr() or optimizer.param_groups[0]['lr'] is the rate in use.",
    ),
    "schedule-past-end": Entry(
        "a schedule past its end",
        (29,),
        "a schedule is stepped more often than it has values",
        "T_max or total_steps counts calls of step(): per batch there are many more than per epoch.",
        "Learning rate curve: the planned part.",
    ),
    "schedule-misused": Entry(
        "a scheduler used wrongly",
        (29,),
        "a scheduler is called without what it needs: a metric, momentum, an initial rate",
        "ReduceLROnPlateau wants the metric in step(metric); cyclic momentum wants an optimizer that has "
        "one.",
        "The line that makes or steps the scheduler.",
    ),
    "two-schedulers": Entry(
        "two schedulers on one optimizer",
        (),
        "two schedulers change the rate of one optimizer in the same iteration",
        "Their factors multiply, and get_last_lr() of the first one is not the rate in use.",
        "Learning rate curve. SequentialLR runs one after the other.",
    ),
    # values
    "non-finite": Entry(
        "the first NaN or infinity",
        (27,),
        "the first operation that makes NaN or infinity out of finite numbers",
        "Most of what is computed from it becomes infinite or NaN too; the cause is here, not where the loss "
        "shows it.",
        "This operation: its inputs.",
    ),
    "dead-relu": Entry(
        "a dead ReLU",
        (28,),
        "every output of a ReLU is exactly 0",
        "The slope of ReLU is 0 for negative inputs: nothing before it gets a gradient through it, so this "
        "loss cannot bring it back.",
        "Network: the values before it; a large negative bias or too large a step is the usual cause.",
    ),
    "vanishing": Entry(
        "vanishing or exploding gradients",
        (28,),
        "the gradients of the first and the last weight matrix differ by 100000 or more",
        "The chain rule multiplies one slope per layer; sigmoid's is 0.25 at most.",
        "Parameters: the norms of .grad from the last layer to the first.",
    ),
}
