"""Bad input: refused in words, never a crash, a hang, or a false "kept"."""
