"""Jobs on this machine: the folders, environments, inputs and attempts of jobs."""
