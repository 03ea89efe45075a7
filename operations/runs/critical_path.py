"""What waited for what: the chain of steps that decided how long a run took. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from operations.runs.events import Run, Step

Dependencies = Mapping[str, frozenset[str]]
"""URN → URNs of what the resource needs: dependencies, parent and provider."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """One step of the chain."""

    step: Step
    after: Step | None
    """The step that ended last of those it waited for; None for the first one."""
    needed: bool
    """Whether the graph has that dependency. If not, the engine's order or its parallelism made the
    step wait: deletions wait for all of the depth above them."""

    @property
    def idle(self) -> int:
        """Seconds between the end of the step before and the beginning of this one."""
        before = 0 if self.after is None else self.after.ended.second
        return max(self.step.began.second - before, 0)


@dataclass(frozen=True, kw_only=True)
class Path:
    """The critical path, from the first step to the last."""

    links: tuple[Link, ...]
    seconds: int
    """Of the whole run."""

    @property
    def steps(self) -> frozenset[Step]:
        """The steps on it."""
        return frozenset(link.step for link in self.links)

    @property
    def rest(self) -> int:
        """Seconds after the last step, in which the program or the engine ended."""
        return self.seconds - self.links[-1].step.ended.second if self.links else self.seconds


def dependencies_of(deployment: Mapping[str, object] | None) -> Dependencies:
    """The graph in a state, as `pulumi stack export` writes it."""
    resources = (deployment or {}).get("resources")
    return {
        str(resource["urn"]): frozenset(
            {
                *(str(urn) for urn in resource.get("dependencies") or ()),
                str(resource.get("parent") or ""),
                str(resource.get("provider") or "").rpartition("::")[0],
            }
            - {""}
        )
        for resource in (resources if isinstance(resources, list) else ())
        if isinstance(resource, Mapping) and "urn" in resource
    }


def critical_path(run: Run, dependencies: Dependencies) -> Path:
    """The chain that ends with the step that ended last.

    A creation waits for what it needs: what `dependencies` names, its parent and provider, and the
    resources whose ids it has. A deletion waits for what needs it. A step without any of these in
    the log comes after the last step that ended before it began.
    """
    if not run.steps:
        return Path(links=(), seconds=run.seconds)
    needed_by: dict[str, set[str]] = {}
    for urn, needs in dependencies.items():
        for need in needs:
            needed_by.setdefault(need, set()).add(urn)
    links: list[Link] = []
    step: Step | None = max(run.steps, key=lambda one: one.ended.line)
    while step is not None:
        links.append(_link(step, run, dependencies, needed_by))
        step = links[-1].after
    return Path(links=tuple(reversed(links)), seconds=run.seconds)


def _link(
    step: Step, run: Run, dependencies: Dependencies, needed_by: Mapping[str, set[str]]
) -> Link:
    earlier = [other for other in run.steps if other.ended.line < step.began.line]
    last = max(earlier, key=lambda other: other.ended.line, default=None)
    if step.is_delete:
        # Deletions of one depth begin when all deletions of the depth above have ended.
        deletions = [other for other in earlier if other.is_delete]
        after = max(deletions, key=lambda other: other.ended.line, default=last)
        needed = after is not None and after.urn in needed_by.get(step.urn, ())
        return Link(step=step, after=after, needed=needed)
    needs = {*dependencies.get(step.urn, ()), *step.needs, step.parent, step.provider}
    awaited = [other for other in earlier if other.urn in needs]
    if awaited:
        return Link(step=step, after=max(awaited, key=lambda one: one.ended.line), needed=True)
    return Link(step=step, after=last, needed=False)


def totals(run: Run) -> Iterator[tuple[str, int, int]]:
    """For each operation and kind: its name, how many there were, seconds of the slowest."""
    groups: dict[str, list[Step]] = {}
    for step in run.steps:
        groups.setdefault(f"{step.operation} {step.kind}", []).append(step)
    for name, steps in sorted(groups.items(), key=lambda item: -max(s.seconds for s in item[1])):
        yield name, len(steps), max(step.seconds for step in steps)
