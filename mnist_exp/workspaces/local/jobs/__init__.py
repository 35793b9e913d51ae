"""Jobs on this machine: their folders, environments, inputs and attempts."""
