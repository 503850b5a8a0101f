"""The catalog of CV templates and their thumbnails."""
