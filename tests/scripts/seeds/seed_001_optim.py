# Method two (torch.optim) of a Chinese blog post about backpropagation and parameter updates.
# Edits: the four lines that define net, input, target and criterion, which the post assumes, with a
# seed before them; the loop's body is indented; the number of steps can be given as an argument.
import sys
import torch
from torch.autograd import Variable
import torch.nn as nn
import torch.optim as optim
# 这里假设我们定义了一个网络,为net
torch.manual_seed(0)
net = nn.Linear(3, 2)
input, target = torch.randn(4, 3), torch.randn(4, 2)
criterion = nn.MSELoss()
steps = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
# 定义一个optim对象
optimizer = optim.SGD(net.parameters(), lr = 0.01)
# 在for循环中更新参数
for i in range(steps):
    optimizer.zero_grad() # 对网络中参数当前的导数置0,清零梯度缓存
    output = net(input) # 网络前向计算
    loss = criterion(output, target) # 通过定义损失函数:criterion,计算误差,得到网络的损失值:loss;
    loss.backward() # 通过loss.backward()完成误差的反向传播,通过pytorch的内在机制完成自动求导得到每个参数的梯度。
    optimizer.step() # 更新参数
