"""Pure rules of a document: its labels, dates, links, prose, and the key under which its PDF is kept."""
