print("compiled, never run")
