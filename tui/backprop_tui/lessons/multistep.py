# Third block of a Chinese blog post: MultiStepLR stepped before the optimizer, and get_lr() misread.
# Edits: a seed.
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


print (2)
