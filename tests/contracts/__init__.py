"""What every member of a family promises, tested over all members and naming none."""
