"""Online endpoints on this machine: Azure ML's contract, a server process per deployment.

    endpoints   the verbs: create, deploy, invoke, delete
    rollout     a new revision of a deployment beside the running one, then the switch
    staging     the files of a revision: code, model, settings
    launch      the server process: started on a leash, until it is ready
    processes   who a process is, and how it ends
    sockets     the port
    store       the state: files that can be read by hand
    traffic     who answers
    client      one scoring request

State of an endpoint, all of it in its own folder:

    <root>/<endpoint>/endpoint.json     description and traffic
                      keys.json         mode 0600
                      deployments/<deployment>/
                          deployment.json                     what serves: revision, port, process
                          revisions/<n>/console.log           all that the process printed
                                        code/                 copy of the scoring code
                                        azureml-models/<name>/<version>/   AZUREML_MODEL_DIR
                                        server.json           the server's settings

A revision never changes: an update is a new one, so the deployment that runs keeps its files.
"""

from mnist_exp.workspaces.local.endpoints.endpoints import Endpoints
from mnist_exp.workspaces.local.endpoints.store import Keys

__all__ = ["Endpoints", "Keys"]
