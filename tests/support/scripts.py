"""A scoring script that several test folders deploy."""

#: A script that answers each row with the weight that the training script saved in its model.
SCORE = """\
import json, os, pathlib


def init():
    global weight
    weight = float(pathlib.Path(os.environ["AZUREML_MODEL_DIR"], "model", "weight.txt").read_text())


def run(raw_data):
    return [weight for _ in json.loads(raw_data)["data"]]
"""
