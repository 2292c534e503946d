"""Real processes on a real server: races, kills, stops, and a server that goes away."""
