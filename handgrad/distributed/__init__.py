"""PyTorch on several processes, each on its shard of every batch; the averaged gradients are judged."""
