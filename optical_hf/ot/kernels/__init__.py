"""Compiled Sinkhorn: Numba on a CPU, Triton on CUDA. Each gives what `solvers.sinkhorn` gives; `entropic` chooses."""
