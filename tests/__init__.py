"""The Python tests; C++ tests lie beside them as .cpp files."""
