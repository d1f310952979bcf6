"""The tests; folders mirror the package, contracts/ has one file a family of components."""
