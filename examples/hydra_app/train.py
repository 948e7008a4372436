"""A training on small digits, in a few seconds. It is a plain Hydra app: seminas is not in it."""

import hydra
import torch
from sklearn.datasets import load_digits


def network(kernel, depth, width):
    layers = []
    for i in range(depth):
        layers += [torch.nn.Conv2d(width if i else 1, width, kernel, padding=kernel // 2), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(64 * width, 10))


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config):
    torch.manual_seed(config.seed)
    digits = load_digits()
    images = torch.tensor(digits.images / 16, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    model = network(**config.model)
    optimizer = hydra.utils.instantiate(config.optimizer, params=model.parameters())
    for _ in range(config.epochs):
        for batch in torch.randperm(1200).split(100):
            loss = torch.nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        predicted = model(images[1200:]).argmax(dim=1)
    return (predicted == labels[1200:]).float().mean().item()


if __name__ == "__main__":
    main()
