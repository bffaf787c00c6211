"""Attacks on what training gives away, each with the attacker's advantage and its interval.

They are the measure of every defence: an attack must succeed where it should, or its failure
against a defence says nothing.
"""
