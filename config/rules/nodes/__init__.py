"""Rules about node pools: their nodes, NICs, addresses, disks, images and labels."""
