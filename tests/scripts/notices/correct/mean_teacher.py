import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
student = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))
teacher = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))
optimizer = torch.optim.Adam(student.parameters(), lr=1e-3)
for i in range(3):
    x, y = torch.randn(8, 4), torch.randint(3, (8,))
    with torch.no_grad():
        soft = F.softmax(teacher(x), dim=1)
    out = student(x)
    loss = F.cross_entropy(out, y) + F.mse_loss(F.softmax(out, dim=1), soft)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for slow, fast in zip(teacher.parameters(), student.parameters()):
            slow.lerp_(fast, 0.01)
