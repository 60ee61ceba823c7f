import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
actor, critic = nn.Linear(4, 2), nn.Linear(4, 1)
optimizer_a = torch.optim.Adam(actor.parameters(), lr=1e-2)
optimizer_c = torch.optim.Adam(critic.parameters(), lr=1e-2)
for episode in range(3):
    states, rewards = torch.randn(6, 4), torch.randn(6)
    policy = torch.distributions.Categorical(logits=actor(states))
    actions = policy.sample()
    values = critic(states).squeeze(1)
    advantage = (rewards - values).detach()
    loss = (
        -(policy.log_prob(actions) * advantage).mean()
        + F.mse_loss(values, rewards)
        - 0.01 * policy.entropy().mean()
    )
    optimizer_a.zero_grad()
    optimizer_c.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(actor.parameters(), 0.5)
    optimizer_a.step()
    nn.utils.clip_grad_norm_(critic.parameters(), 0.5)
    optimizer_c.step()
