"""The training of digit classifiers: what `train.py` and `score.py` are made of."""
