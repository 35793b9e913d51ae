"""The process that serves one deployment on this machine: `python -m mnist_exp.serving`.

It keeps Azure ML's scoring contract (`init()` once, `run(raw_data)` for each request) and the
status codes of a managed online endpoint. It imports the web server and the user's script and
nothing else of this program, so that it is ready in a fraction of a second.

    worker   the container: the scoring script, its threads, what it answers
    app      the endpoint: key, limits, status codes
    leash    why the process is there, and when it ends
    server   all of these put together
"""
