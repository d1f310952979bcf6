"""Run folders: the truth about what was run. Write one, read many, resume one, select some."""
