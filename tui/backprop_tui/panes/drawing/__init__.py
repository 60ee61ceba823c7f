"""Pictures as plain text with style names: from numbers to lines, without a terminal and without an app."""
