"""The modules behind `train.py` and `score.py`.

networks     the networks and optimisers; a network of your own goes here
settings     the command line
data         MNIST's files and the validation split
run          one training run from start to end
training     the training loop
compute      what the loop asks of a way to compute, and the choice between the two:
  general    any network of Keras
  compiled   the dense network with plain SGD, several times faster
  tiles      the pixels that `compiled` can leave out
cluster      GPUs and workers that train together
checkpoints  checkpoint files
resume       the choice of the checkpoint that a run starts from
tracking     metrics on their way to MLflow
tracked_run  the run in the MLflow store
export       the saved model and the evaluation
scoring      requests and answers of an endpoint
lean         a faster import of TensorFlow
files        files and folders that are replaced as a whole
errors       errors, and the stop by SIGTERM
"""

#: Pixels on each side of an image.
SIDE = 28
#: Pixels of an image.
PIXELS = SIDE * SIDE
#: Number of different digits.
CLASSES = 10
#: Factor from a pixel of 0 to 255, as in files and requests, to the 0 to 1 that networks take.
PIXEL_SCALE = 1 / 255
