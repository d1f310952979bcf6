"""A report to read: what runs say, as one document in blocks, written as HTML, Markdown or PDF."""
