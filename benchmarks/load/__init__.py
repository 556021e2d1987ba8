"""Load generation: texts, closed loop, open loop. `tuning` uses only this part."""
