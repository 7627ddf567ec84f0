"""Ways to steer: each file learns directions, or ways that bend, by one method.

They have one signature, `learn(generator, points, ..., seed, show) -> list[Direction | Steer]`: a model,
points where it is at home, and what the method takes besides. Above the generator all is numpy rows.
"""
