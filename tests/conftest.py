"""What all Python tests share: the --slow option and Hypothesis settings that repeat exactly."""

import signal

import pytest

try:
    import hypothesis

    # The same examples on every run, and no deadline: machines that test are shared and slow.
    hypothesis.settings.register_profile(
        "olivine", derandomize=True, deadline=None, max_examples=50, database=None
    )
    hypothesis.settings.load_profile("olivine")
except ImportError:
    pass


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow; run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def ctrl_c():
    """What Ctrl-C does in a program of its own; ignored where tests run in background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
