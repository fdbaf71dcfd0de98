"""What runs outside the sandbox: functions on arrays, and jobs. The functions' own part never sees it."""

from ._errors import InfrastructureError, JobError, JobFileError, JobWarning
from ._functions import Expression, Function, expression
from ._jobs import Output, Result, plan, run

__all__ = [
    "Expression",
    "Function",
    "InfrastructureError",
    "JobError",
    "JobFileError",
    "JobWarning",
    "Output",
    "Result",
    "expression",
    "plan",
    "run",
]
