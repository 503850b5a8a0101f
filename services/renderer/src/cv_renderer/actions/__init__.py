"""What can happen in the renderer."""
