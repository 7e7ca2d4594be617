"""The workspace's files: a fleet is stored, edited and given a revision; schemas and a new workspace are written."""
