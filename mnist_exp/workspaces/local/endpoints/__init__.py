"""Online endpoints on this machine, with Azure ML's contract and one front process per endpoint.

    endpoints          the verbs: create, deploy, invoke, delete
    registry           which endpoints exist: found by name, listed, deleted
    deployment_update  a new revision of a deployment: prepared beside the running one, then swapped
    staging            the files of a revision: code, model, settings
    front_client       starts an endpoint's front process and sends it requests
    server_processes   the processes of endpoints: identified, found, killed
    state_files        the state of endpoints in files
    results            the state of endpoints as the results that a workspace returns
    invocation         one scoring request, and the errors that it can cause

Each endpoint keeps its state in a folder of its own:

    <root>/<endpoint>/endpoint.json     port, traffic, auth_mode, expiry time
                      keys.json         keys and token, mode 0600
                      front.json        the identity of the front process
                      front.log         output of the front process
                      deployments/<deployment>/
                          deployment.json                     the revision to serve
                          failure.json                        why the front gave up this revision
                          revisions/<n>/console.log           output of the workers
                                        code/                 copy of the scoring code
                                        azureml-models/<name>/<version>/   AZUREML_MODEL_DIR
                                        server.json           settings of the workers, mode 0600

A revision never changes. An update creates a new revision, so the running revision keeps its files.
`mnist_exp.serving` contains the code of the processes themselves.
"""

from mnist_exp.workspaces.local.endpoints.endpoints import Endpoints
from mnist_exp.workspaces.local.endpoints.staging import ModelFiles

__all__ = ["Endpoints", "ModelFiles"]
