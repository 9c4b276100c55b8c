"""What Amazon MWAA runs, and how pipelines get there: package, doctor, deploy."""
