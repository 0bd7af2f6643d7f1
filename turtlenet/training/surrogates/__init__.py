"""Models that an attacker trains: on answers, behind other keys, or anew."""
