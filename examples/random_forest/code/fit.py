"""Train a random forest, and log its cross-validated accuracy."""

import argparse

import mlflow
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

parser = argparse.ArgumentParser()
parser.add_argument("--trees", type=int, required=True)
parser.add_argument("--max-depth", type=int, required=True)
arguments = parser.parse_args()

images, labels = load_digits(return_X_y=True)
forest = RandomForestClassifier(arguments.trees, max_depth=arguments.max_depth, random_state=0)
scores = cross_val_score(forest, images, labels, cv=3)

mlflow.log_params(vars(arguments))
mlflow.log_metric("accuracy", scores.mean())
print(f"accuracy {scores.mean():.3f} with {arguments.trees} trees of depth {arguments.max_depth}")
