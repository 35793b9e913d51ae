"""Test equipment: the part of Azure Machine Learning's service that this project uses.

The emulator answers the official SDK's requests over HTTPS on loopback, and is stricter than the
SDK. The local workspace runs its jobs and deployments. ASSUMPTIONS.md lists what is assumed about
Azure.
"""
