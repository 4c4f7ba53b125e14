"""Verification: does the platform that was deployed answer, from outside, as its users would ask it?"""
