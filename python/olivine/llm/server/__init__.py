"""A server that speaks OpenAI's protocol; `olivine serve` starts it.

`engine.py` runs the model in one thread for all clients; `app.py` is the web application;
`protocol.py` the shapes of requests; `answers.py` how tokens become responses; `metrics.py` counts.
"""
