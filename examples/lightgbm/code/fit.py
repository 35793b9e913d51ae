"""Train gradient-boosted trees, and log the validation accuracy after each round."""

import argparse

import lightgbm
import mlflow
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--leaves", type=int, required=True)
parser.add_argument("--learning-rate", type=float, required=True)
parser.add_argument("--rounds", type=int, required=True)
arguments = parser.parse_args()


def log_accuracy(env: lightgbm.callback.CallbackEnv) -> None:
    """Log the accuracy of one round."""
    error = env.evaluation_result_list[0][2]
    mlflow.log_metric("accuracy", 1 - error, step=env.iteration)


images, labels = load_digits(return_X_y=True)
split = train_test_split(images, labels, test_size=0.25, random_state=0)
train = lightgbm.Dataset(split[0], split[2])
parameters = {
    "objective": "multiclass",
    "metric": "multi_error",
    "num_class": 10,
    "num_leaves": arguments.leaves,
    "learning_rate": arguments.learning_rate,
    "num_threads": 1,
    "verbose": -1,
}
mlflow.log_params(vars(arguments))
model = lightgbm.train(
    parameters,
    train,
    arguments.rounds,
    valid_sets=[train.create_valid(split[1], split[3])],
    callbacks=[log_accuracy],
)
model.save_model("outputs/model.txt")
