"""What nnexp knows of the environment before it imports anything heavy."""

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""How BLAS libraries are told their number of threads; they look when they are loaded."""
