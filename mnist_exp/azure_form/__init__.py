"""Specs in Azure ML's own words, and the YAML files of its command line.

A form is a plain dictionary with the field names and the structure of Azure ML's YAML. Forms hold
every decision about a request: names, references, identity, limits, environments, and what is left
to Azure ML's defaults. Two translations read them, so neither decides anything again:

- `yaml_documents` adds the schema and writes a file, for a dry run;
- `mnist_exp.workspaces.azure.translation` builds the entities of azure-ai-ml.

Everything here is pure and needs no package of Azure, so a dry run works everywhere.
https://learn.microsoft.com/azure/machine-learning/reference-yaml-overview
"""
