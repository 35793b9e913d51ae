"""What both translations to Azure ML decide, and the YAML of its command line."""
