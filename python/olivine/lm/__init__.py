"""A small character-level language model: the model, its data, training, checkpoints, text."""
