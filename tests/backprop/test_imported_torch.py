"""Modules of PyTorch: outputs and Jacobians against PyTorch's own. Skipped where torch is not installed."""

import numpy as np
import pytest

from backprop import UnsupportedError, from_torch
from jacobians import Affine, Softmax, Tanh
from jacobians.layers.layer_graph import LayerGraph

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.foreign,
    pytest.mark.filterwarnings("ignore"),
]  # torch.export warns of its own parts


class Residual(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.norm = torch.nn.BatchNorm2d(2)
        self.second = torch.nn.Conv2d(2, 2, 3, padding=1, groups=2)
        self.last = torch.nn.Linear(4, 3)

    def forward(self, x):
        h = torch.relu(self.norm(self.first(x)))
        h = torch.cat([self.second(h) + x, h], dim=1)
        return self.last(h.mean(dim=(2, 3)))


def perceptron():
    return torch.nn.Sequential(
        torch.nn.Linear(5, 5),
        torch.nn.Tanh(),
        torch.nn.LayerNorm(5),
        torch.nn.Linear(5, 3),
        torch.nn.Softmax(dim=-1),
    )


def convolutional():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3, stride=2, padding=1), torch.nn.BatchNorm2d(3), torch.nn.GELU(),
        torch.nn.MaxPool2d(2, stride=1), torch.nn.AvgPool2d(2, stride=1, padding=1), torch.nn.Dropout(0.5),
        torch.nn.Flatten(), torch.nn.Linear(48, 4),
    )  # fmt: skip


def learnt(make):
    torch.manual_seed(0)
    module = make()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2.0)
    return module


@pytest.mark.parametrize(
    ("make", "shape"), [(perceptron, (5,)), (convolutional, (1, 8, 8)), (Residual, (2, 4, 4))]
)
def test_a_module_gives_the_output_and_the_jacobian_of_torch(make, shape):
    module = learnt(make)
    training = module.training
    net = from_torch(module, shape)
    assert module.training is training
    assert next(module.parameters()).dtype == torch.float32
    assert net.imported.gradient_by == "its own gradient"
    wide = module.double().eval()
    x = np.random.default_rng(1).normal(size=shape)
    start = torch.from_numpy(x)
    np.testing.assert_allclose(net(x), wide(start[None])[0].detach().numpy(), atol=1e-6)
    theirs = torch.autograd.functional.jacobian(lambda z: wide(z[None])[0], start)
    np.testing.assert_allclose(net.jacobian(x).tensor("mixed"), theirs.numpy(), atol=1e-6)


def test_layers_are_those_of_the_catalogue_and_paths_that_meet_a_graph():
    assert [type(layer) for layer in from_torch(learnt(perceptron), (5,))][::4] == [Affine, Softmax]
    assert isinstance(from_torch(learnt(perceptron), (5,))[1], Tanh)
    assert isinstance(from_torch(learnt(Residual), (2, 4, 4)), LayerGraph)


class Of(torch.nn.Module):
    """A function as a module, with its parts."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


def linear(*sizes, **options):
    torch.manual_seed(0)
    return torch.nn.Linear(*sizes, **options)


def weight(*shape):
    torch.manual_seed(0)
    return torch.nn.Parameter(torch.randn(*shape))


nn = torch.nn
ODD = {
    "no bias, nothing in use": lambda: (
        nn.Sequential(linear(4, 3, bias=False), nn.Identity(), nn.Dropout(0.3)),
        (4,),
    ),
    "shapes there and back": lambda: (nn.Sequential(nn.Flatten(1, 2), nn.Unflatten(1, (3, 2))), (3, 2)),
    "same padding": lambda: (nn.Conv2d(2, 4, (4, 3), padding="same", dilation=2), (2, 7, 6)),
    "groups, steps, gaps": lambda: (nn.Conv1d(4, 6, 3, stride=2, dilation=2, groups=2, bias=False), (4, 9)),
    "rounded up": lambda: (nn.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 8, 7)),
    "windows with gaps": lambda: (nn.MaxPool2d(2, 1, dilation=2), (2, 5, 5)),
    "means rounded up": lambda: (nn.AvgPool2d(3, 2, ceil_mode=True), (2, 6, 6)),
    "means without padding": lambda: (
        nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        (2, 8, 8),
    ),
    "to a size": lambda: (nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.AdaptiveMaxPool2d(2)), (2, 8, 8)),
    "norm of sequences": lambda: (nn.BatchNorm1d(4, affine=False), (4, 3)),
    "norm of a whole image": lambda: (nn.LayerNorm((2, 3, 3)), (2, 3, 3)),
    "norm in one group": lambda: (nn.GroupNorm(1, 4), (4, 3)),
    "gelu by tanh": lambda: (nn.GELU("tanh"), (4,)),
    "bounds": lambda: (nn.Sequential(nn.ReLU6(), nn.Hardtanh(-0.3, 0.4)), (4,)),
    "selu": lambda: (nn.Sequential(nn.SELU(), nn.ELU(1.3), nn.LeakyReLU(0.2)), (4,)),
    "along the last axis": lambda: (linear(4, 3), (2, 4)),
    "a value used again": lambda: (Of(lambda m, x: m.l(x) + x + m.l(m.l(x)) * 0.5, l=linear(4, 4)), (4,)),
    "in place": lambda: (Of(lambda m, x: m.l(x).add_(x).relu_(), l=linear(4, 4)), (4,)),
    "a number first": lambda: (Of(lambda m, x: 1.0 - m.l(x) / 2, l=linear(4, 4)), (4,)),
    "a factor in a sum": lambda: (Of(lambda m, x: torch.sub(x, m.l(x), alpha=0.5), l=linear(4, 4)), (4,)),
    "parameters of one's own": lambda: (
        Of(lambda m, x: torch.addmm(m.b, x, m.W) * m.b, W=weight(4, 3), b=weight(3)),
        (4,),
    ),
    "weights that are computed": lambda: (nn.utils.parametrizations.weight_norm(linear(4, 3)), (4,)),
    "constants that are made": lambda: (
        Of(lambda m, x: x @ (m.W.t() * 2) + torch.ones(3), W=weight(3, 4)),
        (4,),
    ),
    "axes in another order": lambda: (Of(lambda m, x: x.permute(0, 2, 3, 1).transpose(-1, 1)), (2, 3, 4)),
    "side by side": lambda: (
        Of(lambda m, x: torch.cat([x, torch.stack([x, x.exp()], 2).flatten(1, 2)], -2)),
        (2, 3),
    ),
    "an axis more and less": lambda: (
        Of(lambda m, x: m.l(x.unsqueeze(1).squeeze(1)).squeeze(-1), l=linear(3, 1)),
        (3,),
    ),
    "a gate": lambda: (Of(lambda m, x: x * torch.sigmoid(m.l(x)), l=linear(4, 4)), (4,)),
    "half precision": lambda: (linear(4, 3).bfloat16(), (4,)),
    "frozen": lambda: (linear(4, 3).requires_grad_(False).double(), (4,)),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_options_give_the_output_and_the_jacobian_of_torch(name):
    module, shape = ODD[name]()
    net = from_torch(module, shape)
    wide = module.double().eval()
    x = np.random.default_rng(2).normal(size=shape)
    start = torch.from_numpy(x)
    np.testing.assert_allclose(net(x), wide(start[None])[0].detach().numpy(), atol=1e-6)
    theirs = torch.autograd.functional.jacobian(lambda z: wide(z[None])[0], start)
    np.testing.assert_allclose(net.jacobian(x).tensor("mixed"), theirs.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("module", "shape", "names"),
    [
        (nn.ConvTranspose2d(2, 3, 3), (2, 4, 4), ("conv_transpose2d",)),
        (
            nn.AdaptiveAvgPool2d(3),
            (2, 7, 7),
            ("adaptive_avg_pool2d (of [7, 7] to [3, 3], which doesn't divide it)",),
        ),
        (nn.GroupNorm(2, 4), (4, 3), ("group_norm (of 2 groups)",)),
        (nn.LayerNorm(3), (2, 3), ("layer_norm (over [3], not over all of a point [2, 3])",)),
        (nn.LSTM(4, 3), (2, 4), ("lstm",)),
        (Of(lambda m, x: x.chunk(2, 1)[0] + torch.sin(x[:, :2])), (4,), ("chunk", "slice", "sin")),
        (nn.Softmax(0), (4,), ("softmax (of more than vectors)",)),
    ],
)
def test_what_has_no_counterpart_is_named_with_its_option(module, shape, names):
    module = Of(lambda m, x: m.l(x)[0], l=module) if isinstance(module, nn.LSTM) else module
    with pytest.raises(UnsupportedError) as caught:
        from_torch(module, shape)
    assert caught.value.names == names


@pytest.mark.parametrize(
    ("module", "shape", "sentence"),
    [
        (Of(lambda m, x: (x, x)), (4,), "found Of with 1 inputs and 2 outputs, expected one of each"),
        (Of(lambda m, x: torch.ones(1, 3)), (4,), "found Of, whose output doesn't depend on its input"),
        (
            Of(lambda m, x: x if x.sum() > 0 else -x),
            (4,),
            "found Of, which torch.export can't follow at a point of",
        ),
        (nn.Linear(4, 3), (5,), r"found Linear, which torch.export can't follow at a point of shape \(5,\)"),
        (nn.Linear(4, 3), None, "shape: found None, expected a tuple of integers"),
    ],
)
def test_what_can_not_be_followed_gets_one_sentence(module, shape, sentence, capsys):
    with pytest.raises((TypeError, ValueError), match=sentence) as caught:
        from_torch(module, shape)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == "", "standard output may be read by machines"


def test_every_operation_that_is_not_supported_is_named():
    class Wave(torch.nn.Module):
        def forward(self, x):
            return torch.cumsum(torch.sin(x), dim=1)

    with pytest.raises(UnsupportedError, match="Wave: found sin; cumsum, expected only"):
        from_torch(Wave(), (3,))
    with pytest.raises(TypeError, match=r"module: found list, expected a torch\.nn\.Module"):
        from_torch([], (3,))


def test_the_flops_of_torchs_counter_are_twice_our_multiplications():
    from torch.utils.flop_counter import FlopCounterMode

    from backprop import NetworkShape

    module = torch.nn.Sequential(
        torch.nn.Linear(64, 32),
        torch.nn.Tanh(),
        torch.nn.Linear(32, 16),
        torch.nn.Tanh(),
        torch.nn.Linear(16, 10),
    )
    with FlopCounterMode(display=False) as forward:
        prediction = module(torch.zeros(1, 64))
    with FlopCounterMode(display=False) as backward:
        prediction.sum().backward()
    shape = NetworkShape((64, 32, 16, 10), "tanh")
    assert forward.get_total_flops() == 2 * shape.forward.multiplications == 5440
    # backward: δ through each layer but the first, and δ·aᵀ of each layer, written out dense
    through = sum(h * d for d, h in ((32, 16), (16, 10)))
    dense = sum(h * d for d, h in ((64, 32), (32, 16), (16, 10)))
    assert backward.get_total_flops() == 2 * (through + dense) == 6784
    lossy = NetworkShape((64, 32, 16, 10), "tanh", loss=True)
    formed = 0
    for layer in ("0", "2", "4"):
        plan = lossy.chain(f"{layer}.W").plan("left")
        from jacobians.products.expansion import expansion_cost

        formed += expansion_cost(plan.spec).multiplications
    assert formed == dense
    # what the sweep to the first layer multiplies beyond the products with W: the slopes of 32 + 16 units
    assert lossy.chain("0.W").plan("left").cost.multiplications == through + 32 + 16


def test_an_exported_program_is_loaded_only_where_code_may_run(tmp_path):
    from backprop.models.loading import load_model

    path = tmp_path / "net.pt2"
    module = learnt(perceptron).eval()
    torch.export.save(torch.export.export(module, (torch.zeros(1, 5),)), path)
    with pytest.raises(PermissionError, match=r"found net\.pt2, which runs code as it is loaded"):
        load_model(str(path))
    x = np.ones(5, dtype=np.float32)
    found = load_model(str(path), run_code=True)
    np.testing.assert_allclose(found(x), module(torch.ones(1, 5))[0].detach().numpy(), atol=1e-6)


def test_a_convolutional_module_has_the_forward_flops_of_torchs_counter():
    from torch.utils.flop_counter import FlopCounterMode

    from backprop import layer_costs

    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3, groups=2), torch.nn.Flatten(),
        torch.nn.Linear(4 * 16, 3),
    )  # fmt: skip
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, 2, 6, 6))
    costs = layer_costs(from_torch(module, (2, 6, 6)), np.zeros((2, 6, 6)))
    assert counter.get_total_flops() == 2 * costs.forward.multiplications
    assert costs.parameters == sum(value.numel() for value in module.parameters())


def flops(call):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        found = call()
    return counter.get_total_flops(), found


@pytest.mark.parametrize(
    ("make", "shape", "counts"),
    [
        (
            lambda: nn.Sequential(
                nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 10)
            ),
            (64,),
            {"products": 2720, "scales": 0, "means": 0, "biases": 58, "counted": 58, "fvcore": 0, "kept": 58},
        ),
        (
            lambda: nn.Sequential(
                nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2),
                nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(4, 3),
            ),
            (2, 6, 6),
            # torchinfo: a bias for each place of a convolution, and 8 parameters for a normalization of 144 numbers
            {"products": 2676, "scales": 144, "means": 36, "biases": 151, "counted": 159, "fvcore": 288, "kept": 295},
        ),
    ],
)  # fmt: skip
def test_each_difference_from_three_counters_is_what_the_page_says(make, shape, counts):
    fvcore = pytest.importorskip("fvcore.nn")
    torchinfo = pytest.importorskip("torchinfo")
    from backprop import layer_costs

    module = make().eval()
    costs = layer_costs(from_torch(module, shape), np.zeros(shape))
    point = torch.zeros(1, *shape)
    assert costs.forward.multiplications == counts["products"] + counts["scales"] + counts["means"]
    total, _ = flops(lambda: module(point))
    assert total == 2 * counts["products"], "two flops for each multiplication of a product, nothing else"
    analysis = fvcore.FlopCountAnalysis(module, point)
    analysis.unsupported_ops_warnings(False)
    assert analysis.total() == counts["products"] + counts["fvcore"], "and two for each number normalized"
    summary = torchinfo.summary(module, (1, *shape), verbose=0)
    assert summary.total_mult_adds == counts["products"] + counts["counted"]
    assert summary.total_params == costs.parameters
    # the values of layers with parameters, 4 bytes each, forward and backward
    assert summary.total_output_bytes == 2 * 4 * counts["kept"]
    kinds = ("Affine", "Convolution", "ChannelScale")
    assert counts["kept"] == sum(np.prod(layer.shape) for layer in costs.layers if layer.kind in kinds)


def test_the_backward_pass_of_torchs_counter_is_products_and_gradients_written_out():
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 3)
    )
    _, made = flops(lambda: module(torch.zeros(1, 2, 6, 6)).sum())
    backward, _ = flops(made.backward)
    first, second, last = 4 * 36 * 18, 4 * 16 * 36, 64 * 3
    assert backward == 2 * ((first + second + last) + (second + last)), (
        "each δ·aᵀ, and δ through all but the first"
    )
