import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
policy_net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
target_net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
target_net.load_state_dict(policy_net.state_dict())
optimizer = torch.optim.AdamW(policy_net.parameters(), lr=1e-3, amsgrad=True)
criterion = nn.SmoothL1Loss()
for step in range(4):
    state = torch.randn(16, 4)
    with torch.no_grad():
        action = policy_net(state).max(1).indices.view(16, 1)
        expected = torch.randn(16) + 0.9 * target_net(torch.randn(16, 4)).max(1).values
    values = policy_net(state).gather(1, action)
    loss = criterion(values, expected.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(policy_net.parameters(), 100)
    optimizer.step()
    weights = target_net.state_dict()
    for key, value in policy_net.state_dict().items():
        weights[key] = value * 0.005 + weights[key] * 0.995
    target_net.load_state_dict(weights)
