"""Train a small network with Keras. MLflow's autolog logs parameters and metrics."""

import argparse

import keras
import mlflow
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--learning-rate", type=float, default=0.002)
arguments = parser.parse_args()

mlflow.tensorflow.autolog(log_models=False)
keras.utils.set_random_seed(0)
images, labels = load_digits(return_X_y=True)

model = keras.Sequential(
    [
        keras.Input((64,)),
        keras.layers.Rescaling(1 / 16),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(
    keras.optimizers.Adam(arguments.learning_rate),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(images, labels, epochs=arguments.epochs, validation_split=0.2, verbose=2)
model.save("outputs/model.keras")
