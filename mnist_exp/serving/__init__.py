"""The processes of an online endpoint on this machine: `python -m mnist_exp.serving`.

They keep Azure ML's contract: a managed online endpoint in front, and behind it the inference
server's `init()` once and `run(raw_data)` for each request. They import the web server and the
user's script and nothing else of this program, so that they are ready in a fraction of a second.

    front        one process for each endpoint: the address, keys, traffic, status codes
      server     uvicorn, on the endpoint's socket, until the endpoint goes
      protocol   what the web server is not asked: the size and slowness of headers
      app        the contract of a request
      access     keys and tokens
      routing    which deployment answers, and which gets a copy
      control    what commands ask of the front, over a socket in the endpoint's folder
      group      the worker processes of one revision, and the requests that wait for them
      instance   one of them: started, asked for signs of life, ended
      slot       the front's end of a connection to a worker's thread
      statistics what blue-green rollouts decide by
    worker       one process for each instance: the user's script
      script     the scoring script; `no_code` for a model that brings none
      calling    what its `run` is called with
    frames       what front and worker say to each other
    files        the endpoint's files that both commands and front read
    settings     what a revision is run with
"""
