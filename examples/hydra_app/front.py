"""The training of train.py. This app returns two values: the accuracy, and the number of parameters."""

import hydra
import train


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config):
    accuracy = train.main.__wrapped__(config)
    return accuracy, sum(weights.numel() for weights in train.network(**config.model).parameters())


if __name__ == "__main__":
    main()
