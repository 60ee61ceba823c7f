# From a blog post on backpropagation. Added: the seed, the prints, and the second loop.
import torch
torch.manual_seed(0)

class Network(torch.nn.Module):
    def __init__(self):
        super(Network, self).__init__()
        self.w = torch.nn.Conv2d(2,2,(1,1))
    def forward(self,x):
        out = self.w(x)
        return out
net = Network()
optimizer1 = torch.optim.SGD(net.parameters(), 1) 
milestone1 = [2,4,6,8]                                                    
scheduler1 = torch.optim.lr_scheduler.MultiStepLR(optimizer1, milestones=milestone1, gamma=0.5)
for i in range(5):
    x = torch.randn(2,2,1,1)
    y1 = net(x)
    y = y1.sum()
    gt = 1
    de = gt-y
    loss = de**2-100
    aa = scheduler1.last_epoch
    scheduler1.step()
    bb = scheduler1.get_lr()[0]
    loss.backward()
    optimizer1.step()
    optimizer1.zero_grad() 
    print('last_epoch', aa, 'get_lr', bb, 'used', optimizer1.param_groups[0]['lr'])

# The same schedule, in the order that PyTorch asks for.
net = Network()
optimizer2 = torch.optim.SGD(net.parameters(), 1)
scheduler2 = torch.optim.lr_scheduler.MultiStepLR(optimizer2, milestones=milestone1, gamma=0.5)
for i in range(5):
    loss = (gt-net(x).mean())**2
    loss.backward()
    optimizer2.step()
    scheduler2.step()
    optimizer2.zero_grad()
    print('last_epoch', scheduler2.last_epoch, 'next', scheduler2.get_last_lr()[0])
