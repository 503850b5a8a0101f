"""CVs: writing, listing, exporting, and who may do so."""
