"""What an attacker knows, and evaluations by attackers who know less than the model: black box and grey box."""
