"""Turns a template and a document into a PDF or a picture."""
