"""What should be against what is, over the fleet. Pure: wanted and observed come in, a plan or a standing goes out."""
