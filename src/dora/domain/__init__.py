"""The pure core: facts in, observations and questions out. Standard library and attrs, nothing else."""
