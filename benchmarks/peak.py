"""Measure the speed of matrix products on this machine, which limits the speed of training."""

import json
import time

from digits.lean import import_tensorflow

tf = import_tensorflow(keras=False)

_SECONDS = 1.5


def sgemm(rows: int, inner: int, columns: int) -> float:
    """Return the highest speed of many float32 matrix products with TensorFlow, in GFLOP/s."""
    left, right = tf.random.normal((rows, inner)), tf.random.normal((inner, columns))
    repeats = max(1, int(2e8 / (rows * inner * columns)))
    best = 0.0
    end = time.perf_counter() + _SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(repeats):
            product = tf.matmul(left, right)
        product.numpy()
        flops = 2 * repeats * rows * inner * columns
        best = max(best, flops / (time.perf_counter() - start) / 1e9)
    return best


if __name__ == "__main__":
    print(json.dumps({"large": sgemm(2048, 2048, 2048), "batch_64": sgemm(64, 784, 256)}))
