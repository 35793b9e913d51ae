"""A script that stands for the trainer. The stub engine of the emulator does not run the script."""
