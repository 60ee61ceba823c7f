"""No torch at all."""

total = sum(i * i for i in range(10))
print("total", total)
