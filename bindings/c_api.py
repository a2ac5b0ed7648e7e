def c_files(family):
    return {}
