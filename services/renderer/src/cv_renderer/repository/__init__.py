"""All SQL of the renderer."""
