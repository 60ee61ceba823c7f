"""What leads through a lesson: reads its guide, finds its places in the run, fills in its numbers,
judges answers. Knows no screen; the script itself is run by a `Session`."""
