"""The local workspace: Azure ML's semantics on one machine. Imports nothing of Azure."""
