"""Train a classifier with scikit-learn, and log the model with MLflow."""

import argparse

import mlflow
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--regularization", type=float, default=1.0)
arguments = parser.parse_args()

images, labels = load_digits(return_X_y=True)
train_images, test_images, train_labels, test_labels = train_test_split(
    images / 16, labels, random_state=0
)
model = LogisticRegression(C=1 / arguments.regularization, max_iter=200)
model.fit(train_images, train_labels)

mlflow.log_metric("accuracy", model.score(test_images, test_labels))
mlflow.sklearn.log_model(
    model,
    name="classifier",
    # stage=invoke sends these images.
    input_example=test_images[:3],
    # Without this argument, MLflow loads the model in another process to find its packages.
    pip_requirements=["scikit-learn"],
)
