"""What only control planes need: etcd's members and disk, joins, the cluster's version."""
