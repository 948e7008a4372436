import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from seminas.commands.main import app
from seminas.config.spaces import TTSSettings
from seminas.errors import UserError
from seminas.spaces.constrained import constrained
from seminas.spaces.cost import count_parameters
from seminas.spaces.exact import Limit, exact_costs
from seminas.spaces.tts import TTS
from seminas.spaces.tts.layers import KERNELS, OPERATIONS, decoder_layer, encoder_layer
from seminas.spaces.tts.network import Supernet, TTSNetwork, build_network

LOW_RESOURCE = "10 10 4 3 6 3 9 2 4 2 11 6"
ROBUSTNESS = "8 6 3 2 11 7 9 1 4 11 6 2"
TRANSFORMER = " ".join(["9"] * 12)
SYMBOLS = 20
"""Number of symbols of the networks in these tests."""


def sentences() -> tuple[torch.Tensor, torch.Tensor]:
    """Return three sentences of 9, 5 and 7 phonemes."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, SYMBOLS, (3, 9), generator=generator), torch.tensor([9, 5, 7])


def network(operation: str, **settings: float) -> TTSNetwork:
    torch.manual_seed(0)
    return build_network([operation] * 12, SYMBOLS, 16, **settings).eval()


@pytest.mark.parametrize(
    ("architecture", "standalone", "shared"),
    [
        (LOW_RESOURCE, 17_093_696, 1_081_280),
        (ROBUSTNESS, 15_654_464, 991_808),
        (TRANSFORMER, 36_240_192, 2_279_808),
    ],
)
def test_the_papers_networks_have_the_papers_parameters(
    architecture: str, standalone: int, shared: int
) -> None:
    for width, number in ((256, standalone), (64, shared)):
        assert count_parameters(build_network(architecture.split(), 7, width)) == number + 7 * width


def test_each_layer_has_the_parameters_of_the_authors_code() -> None:
    convolutions = [66_560, 328_704, 590_848, 852_992, 1_115_136, 1_377_280, 1_639_424]
    attention = 329_216 - 66_560
    encoder = [*convolutions, *[2_885_888] * 3, 1_184_512]
    decoder = [*(n + attention for n in convolutions), *[3_148_544] * 3, 789_504]
    assert [count_parameters(encoder_layer(o, 256, 0.1)) for o in OPERATIONS] == encoder
    assert [count_parameters(decoder_layer(o, 256, 0.1)) for o in OPERATIONS] == decoder


def test_the_space_is_as_large_as_its_choices() -> None:
    space = TTS()
    assert space.size == 11**12
    drawn = space.sample(50, np.random.default_rng(0))
    assert space.at(space.index(drawn)) == drawn
    assert [space.parse(space.key(a)) for a in drawn] == drawn
    assert space.key(space.parse(LOW_RESOURCE)) == LOW_RESOURCE
    assert len(space.neighbors(drawn[0])) == 12 * 10


@pytest.mark.parametrize("operation", OPERATIONS)
def test_incremental_decoding_equals_decoding_in_one_piece(operation: str) -> None:
    """Check frames, stop logits and attention of sentences of different lengths in one batch."""
    made = network(operation, prenet_dropout=0.0)
    phonemes, lengths = sentences()
    spoken = made.decode(phonemes, lengths, torch.tensor([40, 40, 40]))
    whole = made(phonemes, lengths, spoken.mel, spoken.lengths)
    torch.testing.assert_close(spoken.mel, whole.mel, atol=1e-4, rtol=0)
    torch.testing.assert_close(spoken.stop, whole.stop, atol=1e-4, rtol=0)
    for steps, piece in zip(spoken.attention, whole.attention, strict=True):
        torch.testing.assert_close(steps, piece, atol=1e-4, rtol=0)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_frame_depends_on_earlier_frames_only_and_a_sentence_on_no_other(operation: str) -> None:
    made = network(operation, prenet_dropout=0.0)
    phonemes, lengths = sentences()
    mel = torch.randn(3, 30, 80, generator=torch.Generator().manual_seed(1))
    whole = made(phonemes, lengths, mel, torch.tensor([30, 30, 30]))
    changed = mel.clone()
    changed[:, 20:] += 1
    later = made(phonemes, lengths, changed, torch.tensor([30, 30, 30]))
    torch.testing.assert_close(later.mel[:, :21], whole.mel[:, :21], atol=1e-5, rtol=0)
    assert not torch.allclose(later.mel[:, 21:], whole.mel[:, 21:])
    alone = made(phonemes[1:2, :5], lengths[1:2], mel[1:2], torch.tensor([30]))
    torch.testing.assert_close(alone.mel, whole.mel[1:2], atol=1e-5, rtol=0)
    weights = whole.attention[-1]
    torch.testing.assert_close(weights.sum(dim=3), torch.ones_like(weights[..., 0]))
    assert weights[1, :, :, 5:].max() == 0


def test_a_sentence_ends_with_its_stop_or_with_its_largest_number_of_frames() -> None:
    made = network("2", prenet_dropout=0.0)
    phonemes, lengths = sentences()
    with torch.no_grad():
        made.frame.output.weight.zero_()
    assert made.decode(phonemes, lengths, torch.tensor([4, 9, 6])).lengths.tolist() == [4, 9, 6]
    weight = made.frame.output.weight
    with torch.no_grad():
        weight[-1] = torch.randn(len(weight[0]), generator=torch.Generator().manual_seed(3))
    spoken = made.decode(phonemes, lengths, torch.tensor([40, 40, 40]))
    for i, end in enumerate(spoken.lengths.tolist()):
        assert (spoken.stop[i, : end - 1] <= 0).all()
        assert spoken.stop[i, end - 1] > 0 or end == 40


def test_the_pre_nets_dropout_is_always_on() -> None:
    made = network("1")
    phonemes, lengths = sentences()
    mel = torch.ones(3, 4, 80)
    first, second = (made(phonemes, lengths, mel, torch.tensor([4, 4, 4])).mel for _ in range(2))
    assert not torch.equal(first, second)


def test_a_path_of_the_supernet_is_a_network_that_shares_its_weights() -> None:
    torch.manual_seed(0)
    supernet = Supernet(SYMBOLS, 16, prenet_dropout=0.0).eval()
    path = LOW_RESOURCE.split()
    alone = supernet.standalone(path)
    assert count_parameters(alone) == count_parameters(build_network(path, SYMBOLS, 16))
    phonemes, lengths = sentences()
    mel = torch.randn(3, 12, 80)
    through = supernet(phonemes, lengths, mel, torch.tensor([12, 9, 5]), path)
    assert torch.equal(through.mel, alone(phonemes, lengths, mel, torch.tensor([12, 9, 5])).mel)
    through.mel.sum().backward()
    trained = {id(p) for p in supernet.parameters() if p.grad is not None}
    assert trained <= {id(p) for p in alone.parameters()}
    names = {name for name, p in supernet.named_parameters() if p.grad is not None}
    assert any(name.startswith("layers.encoder1.10.") for name in names)
    assert not any(name.startswith("layers.encoder1.9.") for name in names)


def test_multiply_adds_are_those_that_pytorch_counts() -> None:
    """LSTMs are left out, because PyTorch's counter does not know them."""
    space = TTS(TTSSettings(width=16))
    choices = [o for o in OPERATIONS if o != "11"]
    rng = np.random.default_rng(0)
    for _ in range(3):
        architecture = space.parse(" ".join(rng.choice(choices, 12)))
        made = space.build_speech_network(architecture, SYMBOLS).eval()
        # The counter does not know PyTorch's fused attention on a CPU.
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
            made(
                torch.ones(1, 11, dtype=torch.long),
                torch.tensor([11]),
                torch.zeros(1, 23, 80),
                torch.tensor([23]),
            )
        assert space.macs(architecture, 11, 23) == counter.get_total_flops() // 2
    lstm = space.macs(space.parse(" ".join(["11"] * 12)), 10, 20)
    one = space.macs(space.parse(" ".join(["11"] * 11 + ["1"])), 10, 20)
    assert lstm - one == 20 * (8 - KERNELS["1"]) * 16**2


def test_parameters_are_those_of_the_built_networks() -> None:
    """Every operation at every position, at two widths. The embedding of phonemes is left out."""
    for width in (16, 64):
        space = TTS(TTSSettings(width=width))
        turns = [tuple((i + p) % 11 for p in range(12)) for i in range(11)]
        stated = exact_costs(space)(turns, ["parameters"])[:, 0]
        with torch.device("meta"):
            built = [count_parameters(space.build_speech_network(a, 0)) for a in turns]
        assert stated.tolist() == built
    assert exact_costs(TTS())([TTS().parse(LOW_RESOURCE)], ["parameters"])[0, 0] == 17_093_696


@pytest.mark.parametrize("limits", [{"parameters": 15e6}, {"parameters": 18e6, "macs": 6e9}])
def test_a_limited_space_is_the_part_of_the_space_within_the_limits(limits: dict[str, float]) -> None:
    space = TTS()
    costs, most = exact_costs(space), np.array(list(limits.values()))
    limited = constrained(
        space, costs, {name: Limit(value, f"search.constraints.{name}") for name, value in limits.items()}
    )
    drawn = space.sample(4000, np.random.default_rng(0))
    fits = (costs(drawn, list(limits)) <= most).all(axis=1)
    share = limited.size / space.size
    assert 0.02 < share < 0.9
    assert abs(fits.mean() - share) < 4 * (share * (1 - share) / len(drawn)) ** 0.5
    inside = limited.sample(200, np.random.default_rng(1))
    assert (costs(inside, list(limits)) <= most).all()
    # Exactly the drawn architectures within the limits belong to the space, and so do neighbours.
    decoded = limited.decode(space.encode(drawn))
    assert [a is not None for a in decoded] == fits.tolist()
    near = space.neighbors(inside[0])
    kept = [a for a, ok in zip(near, (costs(near, list(limits)) <= most).all(axis=1), strict=True) if ok]
    assert sorted(limited.neighbors(inside[0])) == sorted(kept)
    with pytest.raises(UserError, match=r"search.constraints.parameters=1000: must be at least 2,408,256"):
        constrained(space, costs, {"parameters": Limit(1000, "search.constraints.parameters")})


def test_arch_show_prints_the_costs_and_draws_the_architecture(tmp_path: Path) -> None:
    runner = CliRunner()
    figure = tmp_path / "net.png"
    arguments = ["arch", "show", "--space", "tts", LOW_RESOURCE, "--json", "--figure", str(figure)]
    shown = json.loads(runner.invoke(app, arguments).stdout)
    assert (shown["parameters"], shown["key"]) == (17_093_696, LOW_RESOURCE)
    assert len(shown["parameters_of_layers"]) == 12
    assert figure.stat().st_size > 10_000
    longer = json.loads(runner.invoke(app, [*arguments[:6], "--frames", "1000", "--phonemes", "100"]).stdout)
    assert longer["macs"] == TTS().macs(TTS().parse(LOW_RESOURCE), 100, 1000) > shown["macs"]
    wrong = runner.invoke(
        app, ["arch", "show", "--space", "mobilenet", " ".join(["1"] * 21), "--frames", "9"]
    )
    assert wrong.exit_code == 2
    assert "builds no speech networks" in wrong.stderr


def test_a_width_that_the_heads_cannot_share_is_refused() -> None:
    with pytest.raises(UserError, match="space.width=60: must be a multiple of 8"):
        TTSSettings(width=60)
