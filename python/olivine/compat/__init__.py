"""Other projects' names for Olivine, so that programs written for them run unchanged."""
