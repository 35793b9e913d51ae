"""The processes of an online endpoint on this machine: `python -m mnist_exp.serving`.

These processes behave like Azure ML. The front is the HTTP server process of an endpoint, and acts
as a managed online endpoint. Each worker acts as Azure ML's inference server: the worker calls the
scoring script's function `init()` once, and `run(raw_data)` for each request. A revision is one
version of a deployment: its code, model and settings. Each revision has its own workers. The
processes start in a fraction of a second, because they do not import the rest of this program.

The list has a line for each kind of process. The indented lines below it are the modules that run
in this process. The last two modules, `frames` and `settings`, run in both processes:

    front          one process per endpoint: manages the keys, the traffic and the workers
      server         serves HTTP on the endpoint's socket until the endpoint is deleted
      http_connection  one connection: reads requests, and sends their answers
      http_stream    the bytes of a connection, with time limits and back-pressure
      http_head      the first line and the headers of a request
      http_body      the body of a request
      http_answer    the bytes of an answer
      http_limits    the limits for clients: connections, bytes and seconds
      app            the answer to a request, and the conditions of each status code
      exchange       one HTTP request and its answer
      access         keys and tokens
      routing        the choice of a deployment for each request, and the deployments' statistics
      swagger        the published description of the endpoint
      control        requests that commands send to the front, over a socket
      worker_pool    the workers of one revision, and the requests that wait for a worker
      worker         the start, the probes and the end of one worker process
      connection     a connection to a worker, on the front's side
      files          the endpoint's files, for the front and for the user's commands
    worker_process one process per worker: it runs the user's script
      script         the scoring script; `no_code` has the script for MLflow models
      azure_modules  the modules of Azure ML's server that scripts import; `aml_api` has the modules
      run_function   the arguments that the script's `run` gets
      request_input  the input of `run` that a request contains
      flask_request  Flask's request, for scripts that use Flask
      worker_logging the log of a worker, and the user's `logging.json`
      time_limit     the time limit of a call of `run`
      replies        the results of `run` and the errors as replies
      worker_connection  the connection to the front, on the worker's side
    frames         the messages between front and worker
    settings       the settings of a revision
"""
