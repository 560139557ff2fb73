"""The only way a data file is opened."""


class DataFileError(ValueError):
    """A data file is refused; the message names the file, the entry, and how to mend it."""


class DataWarning(UserWarning):
    """Something in the data was left out or assumed; the message lists it."""
