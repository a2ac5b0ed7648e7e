def swift_files(family):
    return {}
