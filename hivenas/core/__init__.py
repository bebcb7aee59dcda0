"""The core: interfaces, records and the two halves of a search, colony and networks."""
