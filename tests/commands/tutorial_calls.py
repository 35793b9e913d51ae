"""The calls of Microsoft's tutorial, with its values, as its reader would have typed them.

https://learn.microsoft.com/azure/machine-learning/how-to-train-tensorflow
Names that Azure has retired since then are sent unchanged.
"""

import json
from pathlib import Path
from typing import Any

from azure.ai.ml import Input, MLClient, command
from azure.ai.ml.entities import (
    AmlCompute,
    CodeConfiguration,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)
from azure.ai.ml.sweep import BanditPolicy, Choice, LogUniform

SIZE = "STANDARD_NC6"
CURATED = "AzureML-tensorflow-2.7-ubuntu20.04-py38-cuda11-gpu"
WEB_PATH = "wasbs://datasets@azuremlexamples.blob.core.windows.net/mnist/"
CLUSTER = "gpu-cluster"
ENDPOINT = "tff-dnn-endpoint-12345678"


def follow_the_tutorial(client: MLClient, source: Path) -> None:
    """Make every call, in the tutorial's order.

    Args:
        client: A signed-in client.
        source: The tutorial's folder `src`, which this function creates.
    """
    source.mkdir()
    (source / "tf_mnist.py").write_text("", encoding="utf-8")
    (source / "score.py").write_text("def init(): ...\n\n\ndef run(raw): ...\n", encoding="utf-8")
    cluster = AmlCompute(
        name=CLUSTER,
        type="amlcompute",
        size=SIZE,
        min_instances=0,
        max_instances=4,
        idle_time_before_scale_down=180,
        tier="Dedicated",
    )
    client.begin_create_or_update(cluster).result()
    job = _job(source)
    client.jobs.create_or_update(job)
    returned = client.create_or_update(_sweep(job))
    client.jobs.stream(returned.name)
    returned = client.jobs.get(name=returned.name)
    best = returned.properties["best_child_run_id"]
    model = Model(
        path=f"azureml://jobs/{best}/outputs/artifacts/paths/outputs/model/",
        name="run-model-example",
        description="Model created from run.",
        type="custom_model",
    )
    _deploy(client, client.models.create_or_update(model), source)


def _job(source: Path) -> Any:
    return command(
        inputs={
            "data_folder": Input(type="uri_folder", path=WEB_PATH),
            "batch_size": 64,
            "first_layer_neurons": 256,
            "second_layer_neurons": 128,
            "learning_rate": 0.01,
        },
        compute=CLUSTER,
        environment=f"{CURATED}@latest",
        code=str(source),
        command="python tf_mnist.py --data-folder ${{inputs.data_folder}} "
        "--batch-size ${{inputs.batch_size}} "
        "--first-layer-neurons ${{inputs.first_layer_neurons}} "
        "--second-layer-neurons ${{inputs.second_layer_neurons}} "
        "--learning-rate ${{inputs.learning_rate}}",
        experiment_name="tf-dnn-image-classify",
        display_name="tensorflow-classify-mnist-digit-images-with-dnn",
    )


def _sweep(job: Any) -> Any:
    drawn = job(
        batch_size=Choice(values=[32, 64, 128]),
        first_layer_neurons=Choice(values=[16, 64, 128, 256, 512]),
        second_layer_neurons=Choice(values=[16, 64, 256, 512]),
        learning_rate=LogUniform(min_value=-6, max_value=-1),
    )
    return drawn.sweep(
        compute=CLUSTER,
        sampling_algorithm="random",
        primary_metric="validation_acc",
        goal="Maximize",
        max_total_trials=8,
        max_concurrent_trials=4,
        early_termination_policy=BanditPolicy(slack_factor=0.1, evaluation_interval=2),
    )


def _deploy(client: MLClient, model: Any, source: Path) -> None:
    endpoint = ManagedOnlineEndpoint(
        name=ENDPOINT,
        description=(
            "Classify handwritten digits using a deep neural network (DNN) using TensorFlow"
        ),
        auth_mode="key",
    )
    client.begin_create_or_update(endpoint).result()
    client.online_endpoints.get(name=ENDPOINT)
    deployment = ManagedOnlineDeployment(
        name="tff-blue",
        endpoint_name=ENDPOINT,
        model=model,
        code_configuration=CodeConfiguration(code=str(source), scoring_script="score.py"),
        environment=f"{CURATED}@latest",
        instance_type="Standard_DS3_v2",
        instance_count=1,
    )
    client.begin_create_or_update(deployment).result()
    request = source.parent / "sample-request.json"
    request.write_text(json.dumps({"data": [[0.0] * 784] * 30}), encoding="utf-8")
    client.online_endpoints.invoke(
        endpoint_name=ENDPOINT, request_file=str(request), deployment_name="tff-blue"
    )
    client.online_endpoints.begin_delete(name=ENDPOINT).result()
