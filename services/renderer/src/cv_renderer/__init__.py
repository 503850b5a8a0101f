"""Renders a template and a document into a PDF or an image."""
