"""The components' scalar formulas run over arrays: as NumPy expressions, or fused by numba into one pass.

Each function of the modules here takes formulas and returns a callable on preallocated arrays. Its two forms compute
the same; the environment variable NNEXP_FORM=numpy chooses the plain one, which needs no compiler and is the reference
in tests. c is always a small array of coefficients in the run's precision; a formula sees it as a tuple.
"""
