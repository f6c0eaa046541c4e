"""Whose fault it is that an attempt at a build failed, and so whether another one may help.

`user`: what was asked for cannot be done. `limit`: it is more than is allowed here. `infrastructure`: something that it
takes was away or broken, so that it is tried again. What an engine or another server says comes as text, in which what
passes is looked for; what nobody knows is taken for the user's, since repeating it would waste everybody's time.
"""

import errno
import re
from dataclasses import dataclass

from buildworker.builder import BuildFailed, BuildTimeout, PullFailed, PushFailed
from models.errors import DomainError, Exceeded, Invalid
from models.tables.jobs import Failure, JobResult

_PASSES = re.compile(
    r"connection re(?:fused|set)|broke the connection off|broken pipe|\bEOF\b|time(?:d |-)?out|took too long"
    r"|does not answer|deadline exceeded|server misbehaving|temporary failure in name|try again"
    r"|(?:status|status code|error|http):? (?:429|5\d\d)\b|internal server error|bad gateway|service unavailable"
    r"|too ?many ?requests|no space left on device|no disk space left",
    re.IGNORECASE,
)
_QUOTA = re.compile(r"quota", re.IGNORECASE)
_REFUSED = re.compile(r"denied|unauthorized|authentication required|immutable|read-only|invalid", re.IGNORECASE)


class SourceFailed(DomainError):
    """The source could not be had from where it was said to be."""


@dataclass(frozen=True)
class Verdict:
    """What a failed attempt comes to: its result if nobody tries again, whose fault it is, and what is told."""

    failure: Failure
    error: str

    @property
    def retry(self) -> bool:
        """Whether another attempt may end better."""
        return self.failure == "infrastructure"

    @property
    def result(self) -> JobResult:
        """How the build ends, in Quay's words, if this was the last attempt."""
        return "internalerror" if self.retry else "error"


def judge(problem: Exception, limit_s: int) -> Verdict | None:
    """The verdict; None for what nobody foresaw. `limit_s`: BUILD_MAX_SECONDS."""
    if isinstance(problem, BuildTimeout):
        return Verdict("limit", f"The build took longer than the {limit_s} seconds allowed (BUILD_MAX_SECONDS).")
    if isinstance(problem, DomainError):
        return Verdict(_fault(problem), problem.detail)
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
        said = "The build worker has no disk space left; free some in its data folder."
        return Verdict("infrastructure", said)
    return None


def _fault(problem: DomainError) -> Failure:
    passes = bool(_PASSES.search(problem.detail))
    if isinstance(problem, Exceeded):
        return "limit"
    if isinstance(problem, PushFailed):
        return _fault_of_push(problem, passes=passes)
    if isinstance(problem, BuildFailed):
        # With an exit code it was a step that failed, whatever it printed.
        return "infrastructure" if passes and problem.code is None else "user"
    if isinstance(problem, PullFailed | SourceFailed):
        return "infrastructure" if passes else "user"
    return "user" if isinstance(problem, Invalid) else "infrastructure"


def _fault_of_push(problem: PushFailed, *, passes: bool) -> Failure:
    if _QUOTA.search(problem.detail):
        return "limit"
    return "user" if not passes and _REFUSED.search(problem.detail) else "infrastructure"
