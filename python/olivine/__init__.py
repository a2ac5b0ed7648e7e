"""Olivine, an array framework for machine learning on the machine you have.

The package root stays light: import what you need from it.

    import olivine.core as mx
    import olivine.nn as nn
    import olivine.optimizers as optim
"""
