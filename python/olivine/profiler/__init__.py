"""Where a program's time and memory go: ops, regions, lines, layers, threads.

    with mx.profiler.profile() as p:
        train_step(x)
    print(p)
    p.save_html("profile.html")

`olivine profile PROGRAM` does the same for a whole program.
"""

from olivine._lazy import lazy_names

_HOMES = {
    "Profile": "recording",
    "measure_limits": "recording",
    "profile": "recording",
    "start": "recording",
    "stop": "recording",
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
