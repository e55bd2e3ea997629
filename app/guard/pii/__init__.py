"""Personal data: recognizers for each type, and the rail that puts together what they find."""
