"""The processes of an online endpoint on this machine: `python -m mnist_exp.serving`.

These processes keep Azure ML's contract. A managed online endpoint is in front. Behind it an
inference server calls `init()` once and `run(raw_data)` for each request. The processes import the
web server, the user's script and nothing else of this program, so they start in a fraction of a
second.

    front          one process per endpoint: the address, keys, traffic, status codes
      server         runs uvicorn on the endpoint's socket until the endpoint is deleted
      http_limits    limits that uvicorn has no option for: size and time of the headers
      app            the contract of a request
      exchange       one HTTP request and its answer
      access         keys and tokens
      routing        which deployment answers, which one gets a copy, and how each has performed
      swagger        the published description of the endpoint
      control        requests of commands to the front, over a socket in the endpoint's folder
      worker_pool    the workers of one revision, and the requests that wait for a worker
      worker         one worker process: start it, probe it, end it
      connection     the front's end of a connection to one thread of a worker
    worker_process one process per worker: it runs the user's script
      script         the scoring script; `no_code` for a model without a script
      run_function   the arguments that the script's `run` gets
      worker_connection  the worker's end of a connection
    frames         the messages between front and worker
    files          the endpoint's files, which both commands and the front read
    settings       the settings of a revision
"""
