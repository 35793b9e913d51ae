"""From a network's outputs to the digits that it sees."""

from typing import Any

import tensorflow as tf

from digits.compute import UNSEEN


def digits_of(logits: tf.Tensor) -> Any:
    """The digits that logits (count, 10) stand for, `UNSEEN` where they are not finite."""
    is_sound = tf.reduce_all(tf.math.is_finite(logits), 1)
    return tf.where(is_sound, tf.argmax(logits, 1), UNSEEN)
