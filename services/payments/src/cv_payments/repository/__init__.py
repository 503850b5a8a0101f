"""All SQL of payments. Rows are read into the dataclasses of the domain."""
