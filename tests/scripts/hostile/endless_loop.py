"""Never ends and never calls torch."""

print("looping", flush=True)
while True:
    pass
