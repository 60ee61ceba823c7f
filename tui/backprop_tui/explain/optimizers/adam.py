"""Adam and its relatives.

torch/optim/adam.py (Kingma and Ba, arXiv:1412.6980; AdamW: arXiv:1711.05101; amsgrad:
openreview.net/forum?id=ryQu7f-RZ), adamax.py, nadam.py (Dozat, openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ),
radam.py (arXiv:1908.03265) and _functional.py (`sparse_adam`).
"""

from __future__ import annotations

from dataclasses import replace

from backprop_tui.explain.optimizers.update import (
    COUNTED,
    DECAY_APART,
    DECAY_IN_GRADIENT,
    NEGATED,
    Assign,
    Remark,
    Update,
)

_COUPLED = "weight_decay != 0 and not decoupled_weight_decay"
_DECOUPLED = "weight_decay != 0 and decoupled_weight_decay"
_DECAY = (
    Assign("w", "w*(1 - lr*weight_decay)", _DECOUPLED),
    Assign("g", "g + weight_decay*w", _COUPLED),
)
_AVERAGES = (
    Assign("m", "lerp(m, g, 1 - beta1)"),
    Assign("v", "beta2*v + (1 - beta2)*g**2"),
)
_REMARKS = (replace(DECAY_IN_GRADIENT, when=_COUPLED), replace(DECAY_APART, when=_DECOUPLED))
_STATE = {"t": "step", "m": "exp_avg", "v": "exp_avg_sq"}

_FIRST = "First step: bias correction makes m̂/√v̂ the sign of g, so w moves by about lr whatever the gradient."
_FIRST_STEP = Remark("t == 1 and abs(g) > 100*eps", _FIRST)
_SMALL = Remark(
    "g != 0 and sqrt(vhat) < 10*eps", "√v̂ is hardly larger than ε: the step is shorter than lr would have it."
)

ADAM = Update(
    lines=(
        COUNTED,
        NEGATED,
        *_DECAY,
        *_AVERAGES,
        Assign("mhat", "m/(1 - beta1**t)"),
        Assign("vmax", "max(vmax, v)", "amsgrad"),
        Assign("vhat", "vmax/(1 - beta2**t)", "amsgrad"),
        Assign("vhat", "v/(1 - beta2**t)", "not amsgrad"),
        Assign("w", "w - lr*mhat/(sqrt(vhat) + eps)"),
    ),
    state={**_STATE, "vmax": "max_exp_avg_sq"},
    memory=("m",),
    defaults={"decoupled_weight_decay": False},
    remarks=(*_REMARKS, _FIRST_STEP, _SMALL),
)

ADAMAX = Update(
    lines=(
        COUNTED,
        NEGATED,
        Assign("g", "g + weight_decay*w", "weight_decay != 0"),
        _AVERAGES[0],
        Assign("u", "max(beta2*u, abs(g) + eps)"),
        Assign("mhat", "m/(1 - beta1**t)"),
        Assign("w", "w - lr*mhat/u"),
    ),
    state={"t": "step", "m": "exp_avg", "u": "exp_inf"},
    memory=("m",),
    remarks=(
        DECAY_IN_GRADIENT,
        Remark("t == 1 and abs(g) > 100*eps", _FIRST.replace("m̂/√v̂", "m̂/u")),
    ),
)

NADAM = Update(
    lines=(
        COUNTED,
        NEGATED,
        *_DECAY,
        Assign("mu_t", "beta1*(1 - 0.5*0.96**(t*momentum_decay))"),
        Assign("mu_next", "beta1*(1 - 0.5*0.96**((t + 1)*momentum_decay))"),
        Assign("product", "product*mu_t", "not counted or product == 1"),
        *_AVERAGES,
        Assign("vhat", "v/(1 - beta2**t)"),
        Assign("w", "w - lr*(1 - mu_t)/(1 - product)*g/(sqrt(vhat) + eps)"),
        Assign("w", "w - lr*mu_next/(1 - product*mu_next)*m/(sqrt(vhat) + eps)"),
    ),
    state={**_STATE, "product": "mu_product"},
    start={"product": "1"},
    memory=("m",),
    defaults={"decoupled_weight_decay": False},
    coarse="product",
    remarks=(
        *_REMARKS,
        Remark("True", "Nesterov: the step mixes today's gradient with m as it will weigh in the next step."),
    ),
)

RADAM = Update(
    lines=(
        COUNTED,
        NEGATED,
        *_DECAY,
        *_AVERAGES,
        Assign("mhat", "m/(1 - beta1**t)"),
        Assign("rho_inf", "2/(1 - beta2) - 1"),
        Assign("rho_t", "rho_inf - 2*t*beta2**t/(1 - beta2**t)"),
        Assign(
            "r",
            "sqrt((rho_t - 4)*(rho_t - 2)*rho_inf/((rho_inf - 4)*(rho_inf - 2)*rho_t))",
            "rho_t > 5",
        ),
        Assign("scale", "sqrt(1 - beta2**t)/(sqrt(v) + eps)", "rho_t > 5"),
        Assign("w", "w - lr*mhat*r*scale", "rho_t > 5"),
        Assign("w", "w - lr*mhat", "rho_t <= 5"),
    ),
    state=_STATE,
    memory=("m",),
    defaults={"decoupled_weight_decay": False},
    remarks=(
        *_REMARKS,
        Remark("rho_t <= 5", "ρₜ ≤ 5: too few gradients to trust v yet, so the step is plain momentum."),
        Remark("rho_t > 5", "ρₜ > 5: v is trusted, rectified by r."),
    ),
)


SPARSE_ADAM = Update(
    lines=(
        COUNTED,
        NEGATED,
        *_AVERAGES,
        Assign("rate", "lr*sqrt(1 - beta2**t)/(1 - beta1**t)"),
        Assign("w", "w - rate*m/(sqrt(v) + eps)"),
    ),
    state=_STATE,
    memory=("m",),
    masked=True,
)

UPDATES = {
    "Adam": ADAM,
    "AdamW": replace(ADAM, defaults={"decoupled_weight_decay": True}),
    "Adamax": ADAMAX,
    "NAdam": NADAM,
    "RAdam": RADAM,
    "SparseAdam": SPARSE_ADAM,
}
