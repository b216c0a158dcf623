"""Trainers: siblings with one signature, `train(config, data, output) -> checkpoint folder`."""
