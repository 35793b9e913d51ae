"""The content of requests to Azure ML, as plain dictionaries and as YAML documents.

A form is a plain dictionary with the field names and the structure of Azure ML's YAML. The
functions that build forms decide the content of each request: names, references, identity, limits
and environments. These functions also omit fields for which Azure ML's default is right. Two
modules convert forms, and make no further decisions:

- `yaml_documents` adds the schema. A dry run prints the result as YAML.
- `mnist_exp.workspaces.azure.translation` builds the entities of azure-ai-ml.

The functions have no side effects and import none of Azure's packages. A dry run therefore works on
every machine.
https://learn.microsoft.com/azure/machine-learning/reference-yaml-overview
"""
