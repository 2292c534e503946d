"""The shell around the kernel: the loop, where activities run, and the leases that keep workers apart."""
