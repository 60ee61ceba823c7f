# From a blog post on backpropagation. Added: import torch, the seed, the prints, and the last five lines.
import torch
torch.manual_seed(0)
x = torch.randn(2,2,1,1)
x1 = x
w = torch.nn.Conv2d(2,2,(1,1))
y1 = w(x)
y = y1.mean()
gt = 1
de = gt-y
loss = de**2-100
loss.backward()
qq = (de*2*-1*x[0,0,0,0])/4 + (de*2*-1*x[1,0,0,0])/4 
qqq = (de*2*-1*x[0,1,0,0])/4+ (de*2*-1*x[1,1,0,0])/4 
print('one batch:  by hand', qq.item(), qqq.item(), 'grad', w.weight.grad[0].flatten().tolist())

x = torch.randn(2,2,1,1) 
x2 = x

y1 = w(x)
y = y1.mean()
gt = 1
de = gt-y
loss = de**2-100
loss.backward()
qq2 = (de*2*-1*x[0,0,0,0])/4 + (de*2*-1*x[1,0,0,0])/4  + qq
qqq2 = (de*2*-1*x[0,1,0,0])/4+ (de*2*-1*x[1,1,0,0])/4  + qqq
print('two batches: by hand', qq2.item(), qqq2.item(), 'grad', w.weight.grad[0].flatten().tolist())

# The second batch again, after the gradients have been cleared.
w.zero_grad()
loss = (gt-w(x2).mean())**2-100
loss.backward()
print('second batch alone: grad', w.weight.grad[0].flatten().tolist())
