"""Compare what should be with what is, over the fleet. Pure: from wanted and observed to a plan or a standing."""
