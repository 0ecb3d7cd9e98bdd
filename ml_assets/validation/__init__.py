"""The gate between what a source said and what the platform believes."""
