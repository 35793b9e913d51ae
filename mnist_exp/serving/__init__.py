"""The processes of an online endpoint on this machine: `python -m mnist_exp.serving`.

These processes behave like Azure ML. The front acts as a managed online endpoint. Each worker acts
as Azure ML's inference server: the worker calls `init()` once and `run(raw_data)` for each request.
The processes start in a fraction of a second, because they do not import the rest of this program.

    front          one process per endpoint: the address, keys, traffic, status codes
      server         runs uvicorn on the endpoint's socket until the endpoint is deleted
      http_limits    limits that uvicorn has no option for: size and time of the headers
      app            the status codes of a request, and their conditions
      exchange       one HTTP request and its answer
      access         keys and tokens
      routing        the choice of a deployment for each request, and the deployments' statistics
      swagger        the published description of the endpoint
      control        requests that commands send to the front, over a socket
      worker_pool    the workers of one revision, and the requests that wait for a worker
      worker         the start, the probes and the end of one worker process
      connection     a connection to one thread of a worker, on the front's side
    worker_process one process per worker: it runs the user's script
      script         the scoring script; `no_code` has the script for MLflow models
      run_function   the arguments that the script's `run` gets
      worker_connection  a connection to the front, on the worker's side
    frames         the messages between front and worker
    files          the endpoint's files, which both commands and the front read
    settings       the settings of a revision
"""
