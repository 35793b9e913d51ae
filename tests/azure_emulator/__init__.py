"""Azure Machine Learning's service as far as this project uses it: test equipment.

It takes the official SDK's requests over HTTPS on loopback, is stricter than the SDK, and has jobs
and deployments done by the local workspace. What is assumed about Azure: ASSUMPTIONS.md.
"""
