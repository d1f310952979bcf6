"""From run folders to what people read: frame, statistics, tables, text plots."""
