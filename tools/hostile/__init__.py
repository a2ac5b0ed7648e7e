"""Random calls of the Python API with hostile arguments; tools/hostile_api.py drives them."""
