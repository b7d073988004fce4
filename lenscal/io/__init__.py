"""The world outside: files of the survey, catalogues, stores, the cluster."""
