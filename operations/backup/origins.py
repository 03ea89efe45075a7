"""Which cluster a disk or a snapshot in the cloud belongs to, by its tags and its name.

An earlier cluster of the same name has the same tags, except for that of etcd's CA. A policy's
snapshots have no tags at all: the cloud does not copy a disk's tags to them (there is a template of
its own for that,
https://www.alibabacloud.com/help/en/oos/user-guide/publictemplate-acs-ecs-inheritdisktagtosnapshot).
They have the policy's id at the end of their names (`auto2.0_yyyyMMdd_SnapshotPolicyId`,
https://www.alibabacloud.com/help/en/elastic-compute-service/latest/apply-or-disable-an-automatic-snapshot-policy),
and a policy belongs to one cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from config.facts.tags import TAG_ETCD_CA
from operations.sweep.cloud import Answer, tags_of
from planning.model import ClusterPlan
from planning.names import own_tags


class Origin(Enum):
    """Where something with the tags of a cluster comes from."""

    OWN = "own"
    """This cluster."""
    UNMARKED = "unmarked"
    """A cluster of this name: this one, or an earlier one. Earlier releases wrote no mark."""
    EARLIER = "earlier"
    """An earlier cluster of this name: its etcd had another CA."""
    FOREIGN = "foreign"
    """Nothing shows that it belongs to a cluster of this name."""


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The marks by which a cluster's disks and snapshots are recognised."""

    plan: ClusterPlan
    ca: str
    """Fingerprint of its etcd's CA (`planning.nodes.etcd_disk.ca_fingerprint`)."""
    policies: frozenset[str] = frozenset()
    """Ids of the snapshot policies that the state has."""

    @property
    def tags(self) -> dict[str, str]:
        """The tags of a new snapshot."""
        return {**own_tags(self.plan.name, self.plan.profile), TAG_ETCD_CA: self.ca}

    def origin(self, item: Answer) -> Origin:
        """Check a disk or a snapshot, as the cloud describes it."""
        tags = tags_of(item)
        mark = tags.get(TAG_ETCD_CA)
        if mark == self.ca or str(item.get("SnapshotName") or "").rpartition("_")[2] in (
            self.policies
        ):
            return Origin.OWN
        if not own_tags(self.plan.name, self.plan.profile).items() <= tags.items():
            return Origin.FOREIGN
        return Origin.UNMARKED if mark is None else Origin.EARLIER

    def may_be_own(self, item: Answer) -> bool:
        """Whether a disk may be this cluster's: it has its mark, or a run has not marked it yet."""
        return self.origin(item) in (Origin.OWN, Origin.UNMARKED)
