"""The machine: streams, data, fused loops, network, learner, trainer, checkpoint. It writes no file."""
