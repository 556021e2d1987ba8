"""What servers are measured with: texts, closed-loop and open-loop load."""
