"""The calls of Microsoft's tutorial, as its reader would type them.

Its cluster's size and its environment are gone, as its notebook's are; their successors stand here
in their place, and its files and names are those of this project's trainer.
"""

from pathlib import Path
from typing import Any

from azure.ai.ml import Input, MLClient, command
from azure.ai.ml.entities import (
    AmlCompute,
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    UserIdentityConfiguration,
)
from azure.ai.ml.sweep import BanditPolicy, Choice, LogUniform

__all__ = ["follow_the_tutorial"]

SIZE = "STANDARD_NC4AS_T4_V3"
CURATED = "AzureML-tensorflow-2.16-cuda12@latest"


def follow_the_tutorial(client: MLClient, trainer: Path, web_path: str) -> None:
    """Make every call, in the tutorial's order."""
    cluster = AmlCompute(
        name="gpu-cluster",
        type="amlcompute",
        size=SIZE,
        min_instances=0,
        max_instances=4,
        idle_time_before_scale_down=180,
        tier="Dedicated",
    )
    client.begin_create_or_update(cluster).result()
    job = command(
        inputs={
            "data_folder": Input(type="uri_folder", path=web_path),
            "batch_size": 64,
            "first_layer_neurons": 256,
            "second_layer_neurons": 128,
            "learning_rate": 0.01,
        },
        compute="gpu-cluster",
        environment=CURATED,
        code=str(trainer),
        command="python train.py --data-folder ${{inputs.data_folder}} "
        "--batch-size ${{inputs.batch_size}} "
        "--first-layer-neurons ${{inputs.first_layer_neurons}} "
        "--second-layer-neurons ${{inputs.second_layer_neurons}} "
        "--learning-rate ${{inputs.learning_rate}}",
        experiment_name="tf-dnn-image-classify",
        display_name="tensorflow-classify-mnist-digit-images-with-dnn",
        identity=UserIdentityConfiguration(),
    )
    client.jobs.create_or_update(job)
    sweep = _sweep(job)
    returned = client.create_or_update(sweep)
    client.jobs.stream(returned.name)
    returned = client.jobs.get(name=returned.name)
    best = returned.properties["best_child_run_id"]
    model = Model(
        path=f"azureml://jobs/{best}/outputs/artifacts/paths/outputs/model/",
        name="run-model-example",
        description="Model created from run.",
        type="custom_model",
    )
    _deploy(client, client.models.create_or_update(model), trainer)


def _sweep(job: Any) -> Any:
    drawn = job(
        batch_size=Choice(values=[32, 64, 128]),
        first_layer_neurons=Choice(values=[16, 64, 128, 256, 512]),
        second_layer_neurons=Choice(values=[16, 64, 256, 512]),
        learning_rate=LogUniform(min_value=-6, max_value=-1),
    )
    return drawn.sweep(
        compute="gpu-cluster",
        sampling_algorithm="random",
        primary_metric="validation_acc",
        goal="Maximize",
        max_total_trials=8,
        max_concurrent_trials=4,
        early_termination_policy=BanditPolicy(slack_factor=0.1, evaluation_interval=2),
    )


def _deploy(client: MLClient, model: Any, trainer: Path) -> None:
    endpoint = ManagedOnlineEndpoint(
        name="tff-dnn-endpoint-12345678",
        description="Classify handwritten digits with a deep neural network",
        auth_mode="key",
    )
    client.begin_create_or_update(endpoint).result()
    # The tutorial takes the training image; nothing but an inference image serves on Azure today.
    environment = Environment(
        image="mcr.microsoft.com/azureml/minimal-py311-inference:latest",
        conda_file=trainer / "conda-score.yaml",
    )
    deployment = ManagedOnlineDeployment(
        name="tff-blue",
        endpoint_name="tff-dnn-endpoint-12345678",
        model=model,
        code_configuration=CodeConfiguration(code=str(trainer), scoring_script="score.py"),
        environment=environment,
        instance_type="Standard_DS3_v2",
        instance_count=1,
    )
    client.begin_create_or_update(deployment).result()
    request = trainer.parent / "request.json"
    request.write_text('{"data": [[0]]}', encoding="utf-8")
    client.online_endpoints.invoke(
        endpoint_name="tff-dnn-endpoint-12345678",
        request_file=str(request),
        deployment_name="tff-blue",
    )
    client.online_endpoints.begin_delete(name="tff-dnn-endpoint-12345678").result()
