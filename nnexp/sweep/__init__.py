"""Many runs from one description: expand it, plan it, run what is missing in parallel."""
