"""Side-by-side times of olivine and whichever peers are importable: `python -m bench [NAME...]`."""
