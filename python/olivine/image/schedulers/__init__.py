"""Schedulers: from noise to a sample; `make` finds one by its name.

`base.py` says how they are used, `noise.py` what they have in common. Settings are those of a
scheduler_config.json, read under the names that Hugging Face's folders use.
"""

from __future__ import annotations

from olivine.image.schedulers.base import Scheduler
from olivine.image.schedulers.ddim import DDIM
from olivine.image.schedulers.dpm_solver import DPMSolver
from olivine.image.schedulers.euler import Euler, EulerAncestral
from olivine.image.schedulers.flow_matching import FlowMatching
from olivine.image.schedulers.lcm import LCM
from olivine.image.schedulers.pndm import PNDM
from olivine.llm.formats.checkpoint import ModelError

SCHEDULERS = {
    "ddim": DDIM,
    "pndm": PNDM,
    "euler": Euler,
    "euler-ancestral": EulerAncestral,
    "dpm++": DPMSolver,
    "lcm": LCM,
    "flow": FlowMatching,
}
# What folders call them -> name.
CLASS_NAMES = {
    "DDIMScheduler": "ddim",
    "PNDMScheduler": "pndm",
    "EulerDiscreteScheduler": "euler",
    "EulerAncestralDiscreteScheduler": "euler-ancestral",
    "DPMSolverMultistepScheduler": "dpm++",
    "LCMScheduler": "lcm",
    "FlowMatchEulerDiscreteScheduler": "flow",
}

__all__ = ["CLASS_NAMES", "SCHEDULERS", "Scheduler", "make", *(c.__name__ for c in (
    DDIM, PNDM, Euler, EulerAncestral, DPMSolver, LCM, FlowMatching
))]  # fmt: skip


def make(name: str, config: dict | None = None) -> Scheduler:
    """The scheduler called `name`, or as folders call it, with the settings of `config`."""
    known = CLASS_NAMES.get(name, name)
    if known not in SCHEDULERS:
        raise ModelError(
            f"[image] expected a scheduler among {', '.join(SCHEDULERS)}; got {name!r}"
        )
    return SCHEDULERS[known].from_dict(config or {})
