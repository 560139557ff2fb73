"""Labelled arrays (xarray) to and from what an activity is made of, with a sentence for whatever does not fit."""
