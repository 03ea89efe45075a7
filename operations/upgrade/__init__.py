"""`upgrade`: the steps from what a cluster runs to what its stack file names."""
