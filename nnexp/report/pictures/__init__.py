"""Pictures: of components, from their own formulas, and of runs, from the frame that the tables are made of."""
