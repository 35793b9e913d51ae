"""The processes of jobs: supervised, watched, ended."""
