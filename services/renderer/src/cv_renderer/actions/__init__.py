"""The use cases of the renderer."""
