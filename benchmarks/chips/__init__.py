"""What `accelerator.py` consists of: workloads, contestants in processes of their own, and the chip's peak."""
