"""Online endpoints on this machine: Azure ML's contract, a front process for each.

    endpoints   the verbs: create, deploy, invoke, delete
    registry    which there are: found, listed, removed
    changes     what a command changes of an endpoint's record: pure
    deployments a new revision of a deployment beside the running one, then the switch
    staging     the files of a revision: code, model, settings
    front       the front process: started when it is not there, told and asked
    processes   who a process is, and how it ends
    sockets     the port
    store       the state: files that can be read by hand
    state       what they and the processes say together
    traffic     the rules of who answers
    client      one scoring request; invocation says what its errors mean

State of an endpoint, all of it in its own folder:

    <root>/<endpoint>/endpoint.json     port, traffic, auth_mode, when it expires
                      keys.json         mode 0600
                      front.json        which process is the front; front.log what it said
                      deployments/<deployment>/
                          deployment.json                     what is to serve: a revision
                          failure.json                        why the front has given it up
                          revisions/<n>/console.log           all that the workers printed
                                        code/                 copy of the scoring code
                                        azureml-models/<name>/<version>/   AZUREML_MODEL_DIR
                                        server.json           the workers' settings, mode 0600

A revision never changes: an update is a new one, so the deployment that runs keeps its files.
The processes themselves are in `mnist_exp.serving`.
"""

from mnist_exp.workspaces.local.endpoints.endpoints import Endpoints
from mnist_exp.workspaces.local.endpoints.staging import ModelFiles

__all__ = ["Endpoints", "ModelFiles"]
