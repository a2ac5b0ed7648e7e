"""olivine.core.distributed in one process: a group of one."""

import pytest

import olivine.core as mx


def test_a_group_of_one_gives_its_input_back():
    group = mx.distributed.init()
    assert (group.rank(), group.size()) == (0, 1)
    assert group == mx.distributed.init(backend="ring")
    x = mx.array([1.0, 2.0])
    for name in ("all_sum", "all_max", "all_min", "all_gather", "sum_scatter"):
        f = getattr(mx.distributed, name)
        assert f(x).tolist() == f(x, group=group).tolist() == [1, 2]
        assert mx.grad(lambda x, f=f: f(x).sum())(x).tolist() == [1, 1]
    assert mx.distributed.all_sum(3).item() == 3


def test_nothing_is_promised_that_is_not_there():
    assert not mx.distributed.is_available()
    for backend in ("any", "mpi", "ring", "nccl", "jaccl"):
        assert not mx.distributed.is_available(backend)
        with pytest.raises(RuntimeError, match=r"\[init\] expected a transport"):
            mx.distributed.init(strict=True, backend=backend)
    with pytest.raises(ValueError, match="'smoke'"):
        mx.distributed.init(backend="smoke")
    with pytest.raises(ValueError, match="all_gather_factory"):
        mx.distributed.init(all_gather_factory=lambda rank, size: None)
    with pytest.raises(RuntimeError, match=r"\[split\]"):
        mx.distributed.init().split(0)


@pytest.mark.parametrize("call", [
    lambda d, x: d.send(x, 0),
    lambda d, x: d.recv((2,), mx.float32, 1),
    lambda d, x: d.recv_like(x, 0, group=d.init()),
], ids=["send", "recv", "recv_like"])  # fmt: skip
def test_messages_need_a_partner(call):
    with pytest.raises(ValueError, match="group of one process"):
        call(mx.distributed, mx.ones(2))
    with pytest.raises(TypeError, match="Group"):
        mx.distributed.all_sum(mx.ones(2), group=3)
