"""TensorBoardLogger: its bytes, read by a reader that shares no code with the writer."""

import math
import resource
import struct

import pytest

import olivine.core as mx
from olivine.train import Checkpointer, TensorBoardLogger
from olivine.train.tensorboard import crc32c, record


def bitwise_crc32c(data):
    """The definition: the remainder of a polynomial division, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    return crc ^ 0xFFFFFFFF


def unmask(masked):
    rotated = (masked - 0xA282EAD8) % 2**32
    return (rotated >> 17 | rotated << 15) % 2**32


def read_records(content):
    at = 0
    while at < len(content):
        length, length_crc = struct.unpack_from("<QI", content, at)
        assert unmask(length_crc) == bitwise_crc32c(content[at : at + 8])
        data = content[at + 12 : at + 12 + length]
        (crc,) = struct.unpack_from("<I", content, at + 12 + length)
        assert unmask(crc) == bitwise_crc32c(data)
        yield data
        at += 16 + length


def read_message(data):
    """The fields of a protobuf message as `(number, value)`: integers, or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    fields = []
    while at < len(data):
        key = varint()
        size = {1: 8, 5: 4, 2: None, 0: 0}[key & 7]
        if size == 0:
            fields.append((key >> 3, varint()))
            continue
        size = varint() if size is None else size
        fields.append((key >> 3, data[at : at + size]))
        at += size
    return fields


def read_events(path):
    """`(step, what, content)` of the events of a file."""
    events = []
    for data in read_records(path.read_bytes()):
        event = dict(read_message(data))
        (wall_time,) = struct.unpack("<d", event[1])
        assert 1.5e9 < wall_time < 1e10
        step = event[2] - 2**64 * (event[2] >> 63)
        if 3 in event:
            events.append((step, "version", event[3].decode()))
        elif 7 in event:
            events.append((step, "session", read_message(event[7])))
        else:
            values = {}
            for number, value in read_message(event[5]):
                assert number == 1
                fields = dict(read_message(value))
                values[fields[1].decode()] = struct.unpack("<f", fields[2])[0]
            events.append((step, "values", values))
    return events


def files(folder):
    return sorted(folder.glob("events.out.tfevents.*"))


def test_check_sums_are_those_of_rfc_3720():
    # Appendix B.4.
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"123456789") == bitwise_crc32c(b"123456789") == 0xE3069283
    assert list(read_records(record(b"") + record(b"abc"))) == [b"", b"abc"]


def test_scalars_come_back(tmp_path):
    with TensorBoardLogger(tmp_path) as log:
        log.log(0, loss=0.5)
        log.log(2**40, {"loss/träin": mx.array(1.25), "nan": math.nan}, big=10**6, small=-1e-3)
        assert len(read_events(log.path)) == 3  # at once, not when closed
    (path,) = files(tmp_path)
    version, first, second = read_events(path)
    assert version == (0, "version", "brain.Event:2")
    assert first == (0, "values", {"loss": 0.5})
    step, _, values = second
    assert step == 2**40 and list(values) == ["loss/träin", "nan", "big", "small"]
    assert values["loss/träin"] == 1.25 and math.isnan(values["nan"]) and values["big"] == 10**6
    assert values["small"] == pytest.approx(-1e-3, rel=1e-7)


def test_a_resumed_run_begins_a_later_file_with_a_start(tmp_path):
    for begin in (1, 3):
        with TensorBoardLogger(tmp_path) as log:
            for step in range(begin, begin + 4):
                log.log(step, loss=float(step))
    first, second = files(tmp_path)
    assert [event[0] for event in read_events(first)] == [0, 1, 2, 3, 4]
    # session_log.status = START (1) makes TensorBoard drop what has this step or a later one.
    assert read_events(second)[1] == (3, "session", [(1, 1)])
    assert [event[0] for event in read_events(second)[2:]] == [3, 4, 5, 6]


def test_a_restored_checkpoint_starts_again_in_the_same_file(tmp_path):
    log = TensorBoardLogger(tmp_path / "log")
    with Checkpointer(tmp_path / "run", {"log": log}) as checkpointer:
        log.log(1, loss=1.0)
        checkpointer.save(1)
        log.log(2, loss=2.0)
        checkpointer.restore()
        log.log(2, loss=2.5)
    kinds = [event[:2] for event in read_events(log.path)]
    assert kinds == [
        (0, "version"), (1, "values"), (2, "values"), (2, "session"), (2, "values")
    ]  # fmt: skip


def test_other_files_in_the_folder_do_not_disturb(tmp_path):
    (tmp_path / "events.out.tfevents.notes").write_text("")
    (tmp_path / "events.out.tfevents.9999999990.elsewhere").write_text("")
    with TensorBoardLogger(tmp_path) as log:
        log.log(1, loss=1.0)
    assert files(tmp_path)[-2] == log.path and ".9999999991." in log.path.name


def test_a_full_disk_leaves_whole_events(tmp_path):
    with TensorBoardLogger(tmp_path) as log:
        log.log(1, loss=1.0)
        content = log.path.read_bytes()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) + 10, limits[1]))
        try:
            with pytest.raises(OSError):
                log.log(2, loss=2.0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert log.path.read_bytes() == content
