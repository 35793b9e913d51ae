"""Online endpoints on this machine, with the same HTTP interface as Azure ML.

Each endpoint has one HTTP server process, the front. The front accepts requests and passes them to
worker processes, which run the scoring script. A revision is one version of a deployment: its code,
model and settings.

    endpoints          creates, deploys, invokes and deletes endpoints
    registry           finds endpoints by name, lists and deletes endpoints
    deployment_update  starts a new revision of a deployment, then replaces the previous revision
    staging            writes the files of a revision: code, model, settings
    front_client       starts an endpoint's front process, and sends requests to the front
    server_processes   identifies, finds and kills the processes of endpoints
    state_files        saves and loads the state of endpoints
    results            converts the saved state to the results that a workspace returns
    invocation         sends one scoring request, and explains errors

The state of each endpoint is saved in a separate folder:

    <root>/<endpoint>/endpoint.json     port, traffic, auth_mode, expiry time
                      keys.json         keys and token, mode 0600
                      front.json        identity of the front process
                      front.log         output of the front process
                      deployments/<deployment>/
                          deployment.json                     number of the active revision
                          failure.json                        reason why a deployed revision failed
                          revisions/<n>/console.log           output of the workers
                                        code/                 copy of the scoring code
                                        environment/          throw-away Python environment
                                        azureml-models/<name>/<version>/   AZUREML_MODEL_DIR
                                        server.json           settings of the workers, mode 0600

The files of a revision never change, because an update creates a new revision. The package
`mnist_exp.serving` contains the code that the front and the workers run.
"""

from mnist_exp.workspaces.local.endpoints.endpoints import Endpoints
from mnist_exp.workspaces.local.endpoints.staging import ModelFiles

__all__ = ["Endpoints", "ModelFiles"]
