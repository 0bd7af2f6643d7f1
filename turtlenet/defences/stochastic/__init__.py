"""Layers that draw random numbers at inference, and whose gradient an attacker averages over draws."""
