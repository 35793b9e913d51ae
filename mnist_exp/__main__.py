"""`python -m mnist_exp` and the console script `mnist-exp`."""

from mnist_exp.app.main import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
