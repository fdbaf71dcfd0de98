"""The exception for mistakes in a tile function: its signature, its options, its results, how it is called."""


class TileFunctionError(Exception):
    """A mistake in a tile function; the message says where, what, and what to do."""
