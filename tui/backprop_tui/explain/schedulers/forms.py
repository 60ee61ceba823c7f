"""The rates of torch.optim.lr_scheduler, one entry a class.

torch/optim/lr_scheduler.py: `get_lr` and `_get_closed_form_lr` of each class; torch/optim/swa_utils.py for
SWALR. Sources of the schedules: cosine arXiv:1608.03983 (SGDR), cyclical arXiv:1506.01186, one cycle
arXiv:1708.07120.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from backprop_tui.explain.schedulers.schedule import Form, Schedule, Unknown, Values

_SAME = "lr"


def _times_milestone(values: Values, spec: Mapping[str, Any]) -> Values:
    milestones = list(spec["milestones"])
    past = sum(1 for milestone in milestones if milestone <= values["epoch"])
    return {"times": milestones.count(values["epoch"]), "past": past}


def _factor(values: Values, spec: Mapping[str, Any]) -> Values:
    return {"factor": _said(spec, "lr_lambda", spec["factors"][values["group"]])}


def _said(spec: Mapping[str, Any], name: str, answer: Mapping[str, Any]) -> float:
    """What a function of the script says. Raises Unknown if it could not be asked."""
    if "value" not in answer:
        raise Unknown(f"{spec['kind']}: what {name} says is not known: {answer['unknown']}")
    return float(answer["value"])


def _change(values: Values, spec: Mapping[str, Any]) -> Values:
    return {"change": values["end_factor"] - values["start_factor"]}


def _cycle(values: Values, spec: Mapping[str, Any]) -> Values:
    """Where in its cycle CyclicLR is: how high between the rates, and how the height is scaled."""
    epoch, total, ratio = values["epoch"], spec["total_size"], spec["step_ratio"]
    cycle = math.floor(1 + epoch / total)
    place = 1.0 + epoch / total - cycle
    height = place / ratio if place <= ratio else (place - 1) / (ratio - 1)
    if "scale" in spec:
        scale = _said(spec, "scale_fn", spec["scale"])
    else:
        scale = {"triangular2": 1 / 2.0 ** (cycle - 1), "exp_range": spec["gamma"] ** epoch}.get(
            spec["mode"], 1.0
        )
    way = "up" if place <= ratio else "down"
    found = {"cycle": cycle, "height": height, "scale": scale, "way": way}
    group = values["group"]
    found["max_lr"] = spec["max_lrs"][group]
    if spec["cycle_momentum"]:
        found |= {"high": spec["max_momentums"][group], "low": spec["base_momentums"][group]}
    return found


def _phase(values: Values, spec: Mapping[str, Any]) -> Values:
    """Which phase OneCycleLR is in, how far, and between which rates."""
    epoch, own, phases = values["epoch"], values["own"], spec["_schedule_phases"]
    start = 0.0
    for number, phase in enumerate(phases):
        end = phase["end_step"]
        if epoch <= end or number == len(phases) - 1:
            break
        start = end
    found = {
        "part": (epoch - start) / (end - start), "start_step": start, "end_step": end, "phase": number + 1,
        "start": own[phase["start_lr"]], "end": own[phase["end_lr"]], "phases": len(phases),
        "cosine": spec.get("_anneal_func_type", "cos") == "cos",
    }  # fmt: skip
    if spec["cycle_momentum"]:
        found |= {"high": own[phase["start_momentum"]], "low": own[phase["end_momentum"]]}
    return found


def _restarts(spec: Mapping[str, Any], epoch: Any) -> Mapping[str, Any]:
    """CosineAnnealingWarmRestarts counts within its cycle, and makes cycles longer."""
    first, factor = spec["T_0"], spec["T_mult"]
    if epoch is None:
        place, length = spec["T_cur"] + 1, spec["T_i"]
        return {"T_cur": place % length, "T_i": length * factor} if place >= length else {"T_cur": place}
    if epoch < first:
        return {"T_cur": epoch, "T_i": first}
    if factor == 1:
        return {"T_cur": epoch % first}
    number = int(math.log(epoch / first * (factor - 1) + 1, factor))
    return {
        "T_cur": epoch - first * (factor**number - 1) / (factor - 1),
        "T_i": first * factor**number,
    }


def _averaging(values: Values, spec: Mapping[str, Any]) -> Values:
    """How far SWALR is on its way from the rate that it found to its own."""
    step, epochs = values["count"] - 1, spec["anneal_epochs"]
    step = max(1, step) if epochs == 0 else step
    linear = spec["_anneal_strategy"] == "linear"

    def part(number: int) -> float:
        t = max(0.0, min(1.0, number / max(1, epochs)))
        return t if linear else (1 - math.cos(math.pi * t)) / 2

    before = part(step - 1)
    return {"before": before, "part": part(step), "swa_lr": values["own"]["swa_lr"], "arrived": before == 1}


_PHASE = "phase {phase} of {phases}, from step {start_step} to {end_step}"
_AGAINST = "momentum runs against the rate"

SCHEDULES: dict[str, Schedule] = {
    "LambdaLR": Schedule(
        forms=(Form("base_lr*factor", "lr_lambda({epoch}) = {factor}, a factor of the first rate"),),
        prepare=_factor,
    ),
    "MultiplicativeLR": Schedule(
        forms=(Form("lr*factor", "lr_lambda({epoch}) = {factor}, a factor of the present rate"),),
        prepare=_factor,
        again="multiplies by lr_lambda({epoch}) once more",
    ),
    "StepLR": Schedule(
        forms=(
            Form(
                _SAME,
                "epoch {epoch} is not a multiple of step_size {step_size}",
                "epoch == 0 or epoch % step_size != 0",
            ),
            Form("lr*gamma", "epoch {epoch} is a multiple of step_size {step_size}"),
        ),
        closed="base_lr*gamma**floor(epoch/step_size)",
        again="multiplies by gamma once more",
    ),
    "MultiStepLR": Schedule(
        forms=(
            Form(_SAME, "epoch {epoch} is no milestone of {milestones}", "times == 0"),
            Form("lr*gamma", "epoch {epoch} is a milestone", "times == 1"),
            Form("lr*gamma**times", "epoch {epoch} is a milestone {times} times"),
        ),
        closed="base_lr*gamma**past",
        prepare=_times_milestone,
        again="multiplies by gamma once more",
    ),
    "ConstantLR": Schedule(
        forms=(
            Form("lr*factor", "epoch 0: the rate is multiplied by factor", "epoch == 0"),
            Form(_SAME, "the factor is taken away only at epoch {total_iters}", "epoch < total_iters"),
            Form(_SAME, "the factor was taken away at epoch {total_iters}", "epoch > total_iters"),
            Form("lr/factor", "epoch {epoch} is total_iters: the factor is taken away again"),
        ),
        closed="base_lr*(factor + (epoch >= total_iters)*(1 - factor))",
        again="applies the factor of epoch {epoch} once more",
    ),
    "LinearLR": Schedule(
        forms=(
            Form("lr*start_factor", "epoch 0: the rate is multiplied by start_factor", "epoch == 0"),
            Form(_SAME, "it has arrived: total_iters is {total_iters}", "epoch > total_iters"),
            Form(
                "lr*(1 + change/(total_iters*start_factor + (epoch - 1)*change))",
                "step {epoch} of {total_iters}; change is end_factor − start_factor",
            ),
        ),
        closed="base_lr*(start_factor + change*min(total_iters, epoch)/total_iters)",
        prepare=_change,
        again="takes the step of epoch {epoch} once more",
    ),
    "ExponentialLR": Schedule(
        forms=(Form("lr*gamma", "every epoch multiplies by gamma"),),
        closed="base_lr*gamma**epoch",
        again="multiplies by gamma once more",
    ),
    "PolynomialLR": Schedule(
        forms=(
            Form(_SAME, "it has ended: total_iters is {total_iters}", "epoch > total_iters"),
            Form(
                "lr*((1 - epoch/total_iters)/(1 - (epoch - 1)/total_iters))**power",
                "step {epoch} of {total_iters}",
            ),
        ),
        closed="base_lr*(1 - min(total_iters, epoch)/total_iters)**power",
        again="takes the step of epoch {epoch} once more",
    ),
    "CosineAnnealingLR": Schedule(
        forms=(
            Form(
                "eta_min + (base_lr - eta_min)*(1 + cos(epoch*pi/T_max))/2",
                "resumed at epoch {epoch}",
                "count == 1 and epoch > 0",
            ),
            Form(
                "lr + (base_lr - eta_min)*(1 - cos(pi/T_max))/2",
                "epoch {epoch} is the first after the bottom: the rate rises again",
                "(epoch - 1 - T_max) % (2*T_max) == 0",
            ),
            Form(
                "(1 + cos(pi*epoch/T_max))/(1 + cos(pi*(epoch - 1)/T_max))*(lr - eta_min) + eta_min",
                "step {epoch} of a cosine whose half period is T_max = {T_max}",
            ),
        ),
        closed="eta_min + (base_lr - eta_min)*(1 + cos(pi*epoch/T_max))/2",
        again="takes the step of epoch {epoch} once more",
    ),
    "CosineAnnealingWarmRestarts": Schedule(
        forms=(
            Form(
                "eta_min + (base_lr - eta_min)*(1 + cos(pi*T_cur/T_i))/2",
                "epoch {T_cur} of {T_i} in this cycle",
            ),
        ),
        advance=_restarts,
    ),
    "CyclicLR": Schedule(
        forms=(
            Form(
                "base_lr + (max_lr - base_lr)*height*scale",
                "on the way {way} in cycle {cycle}",
            ),
        ),
        prepare=_cycle,
        momentum=(Form("high - (high - low)*height*scale", _AGAINST, "cycle_momentum"),),
    ),
    "OneCycleLR": Schedule(
        forms=(
            Form(
                "end + (start - end)/2*(cos(pi*part) + 1)",
                _PHASE,
                "cosine",
            ),
            Form("(end - start)*part + start", _PHASE),
        ),
        momentum=(
            Form(
                "low + (high - low)/2*(cos(pi*part) + 1)",
                _AGAINST,
                "cycle_momentum and cosine",
            ),
            Form("(low - high)*part + high", _AGAINST, "cycle_momentum"),
        ),
        prepare=_phase,
    ),
    "SWALR": Schedule(
        forms=(
            Form("swa_lr", "it has arrived at swa_lr", "arrived"),
            Form(
                "swa_lr*part + (lr - before*swa_lr)/(1 - before)*(1 - part)",
                "on the way from the rate that it found to swa_lr, in anneal_epochs = {anneal_epochs}",
            ),
        ),
        prepare=_averaging,
        again="takes the last step once more",
    ),
}  # fmt: skip
