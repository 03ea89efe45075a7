"""Pod addresses that leave an ENI, or move to another one, under running pods."""
