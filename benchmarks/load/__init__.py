"""How servers are put under load: texts, closed loop, open loop. `tuning` uses this part only."""
