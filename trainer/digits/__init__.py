"""The modules that `train.py` and `score.py` use.

networks     defines the networks and optimisers; add your own network here
settings     reads the command line
data         reads MNIST's files, and splits off the validation images
run          executes one training run from start to end, and chooses one of two compute paths:
  general    the general path trains any Keras network
  compiled   the compiled path trains a dense network with plain SGD, several times faster
  tiles      divides the pixels into groups, so that `compiled` can skip pixels that are 0
compute      defines a compute path (code that trains a network and predicts with the network)
training     contains the training loop
cluster      connects the GPUs and workers that train together
checkpoints  reads and writes checkpoint files
start        chooses the checkpoint from which a run resumes
tracking     sends metrics to MLflow in the background
tracked_run  writes to a run in the MLflow store
metrics      defines the values that are logged to MLflow
export       writes the saved model and the evaluation
scoring      reads requests to an endpoint, and computes the answers
lean         imports TensorFlow faster
files        replaces files and folders completely or not at all
errors       defines the exceptions, including the exception that SIGTERM raises
"""

#: Width and height of an image in pixels.
SIDE = 28
#: Number of pixels of an image.
PIXELS = SIDE * SIDE
#: Number of different digits.
CLASSES = 10
#: Factor that converts the pixels of files and requests (0 to 255) to the input of the networks
#: (0 to 1).
PIXEL_SCALE = 1 / 255
