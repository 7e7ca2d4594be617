"""A host itself: provision it, install its runner, prune it; and the operators who may enter it."""
