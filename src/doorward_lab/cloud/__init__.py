"""The control plane: moto, wrapped so that each call is seen, corrected, recorded and followed."""
