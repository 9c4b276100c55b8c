"""What a definition and an extract both read in SQL text; standard library only."""
