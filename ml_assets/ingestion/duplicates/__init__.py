"""Which rows describe the same entity, and how well that was found out."""
