"""Doorward keeps the doors that must stay open open, and the doors that must stay shut shut."""
