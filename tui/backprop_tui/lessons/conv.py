# From a blog post on backpropagation. Added: the seed and the prints; taken out: a line without effect.
import torch 
torch.manual_seed(713)
x = torch.randn(1,1,4,4)
x1 = x
w = torch.nn.Conv2d(1,1,(3,3))
y1 = w(x)
# y = y1.mean()
gt = 1
de = torch.abs(gt-y1)
# loss = (de**2).mean()
cond = de<1
loss = torch.where(cond, (de**2), de).mean()
loss.backward()

# qq = (de*2*-1*x[0,0,0,0])/4 + (de*2*-1*x[1,0,0,0])/4 
# qqq = (de*2*-1*x[0,1,0,0])/4+ (de*2*-1*x[1,1,0,0])/4 
qq = 1/4 * 2 * (de[0,0,0,0] * x[0,0,0,0] + de[0,0,0,1] * x[0,0,0,1]+ \
                    de[0,0,1,0] * x[0,0,1,0] + de[0,0,1,1] * x[0,0,1,1])
qq2 = 1/4 * 2 * (de[0,0,0,0] * x[0,0,0,1] + de[0,0,0,1] * x[0,0,0,2]+ \
                    de[0,0,1,0] * x[0,0,1,1] + de[0,0,1,1] * x[0,0,1,2])  
# qq = 1/4 * 2 * (de[0,0,0,0] * x[0,0,0,0] + de[0,0,0,1] * x[0,0,0,1]+ \
#                     de[0,0,1,0] * x[0,0,1,0] + de[0,0,1,1] * x[0,0,1,1])                                      
mixed = 1/4 * (2*de[0,0,0,0] * x[0,0,0,0] +  x[0,0,0,1]+ \
                    2*de[0,0,1,0] * x[0,0,1,0] +  x[0,0,1,1])
print('qq', qq.item(), 'qq2', qq2.item(), 'mixed', mixed.item())
print('grad', w.weight.grad)
