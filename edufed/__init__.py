"""EduFed: learning platforms train models together while every record stays where it was made."""

__version__ = "0.1.0"
