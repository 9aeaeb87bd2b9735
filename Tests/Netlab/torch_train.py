"""Two nodes train one model with torch.distributed and gloo: the same weights must come out on each."""

import os

import torch
import torch.distributed as dist

STEPS = 20


def main():
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    torch.manual_seed(1)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.manual_seed(100 + rank)
    for step in range(STEPS):
        inputs = torch.randn(16, 4)
        loss = (model(inputs) - inputs.sum(1, keepdim=True)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = torch.cat([value.detach().flatten() for value in model.parameters()])
    everywhere = [torch.zeros_like(weights) for _ in range(dist.get_world_size())]
    dist.all_gather(everywhere, weights)
    same = all(torch.equal(other, weights) for other in everywhere)
    print(f"rank {rank} of {dist.get_world_size()} at {os.environ['MASTER_ADDR']} over "
          f"{os.environ['GLOO_SOCKET_IFNAME']}: step {step + 1}, equal {same}, loss falls {loss.item() < 1}", flush=True)


main()
