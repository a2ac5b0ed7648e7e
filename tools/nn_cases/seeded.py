"""Cases from one seed: initializers, and the values, names and texts new layers start with."""

from . import Case

SHAPES = ((400, 300), (300, 400), (64, 5, 5, 32))
INITIALIZERS = {
    "constant(0.3)": ("",),
    "normal()": ("",),
    "normal(mean=1.5, std=0.3)": ("",),
    "uniform()": ("",),
    "uniform(low=-2.0, high=0.5)": ("",),
    "glorot_normal()": ("", ", gain=2.0"),
    "glorot_uniform()": ("", ", gain=2.0"),
    "he_normal()": ("", ", mode='fan_out'", ", mode='fan_out', gain=0.5"),
    "he_uniform()": ("", ", mode='fan_out'", ", mode='fan_out', gain=0.5"),
}
MATRICES = {
    "sparse(0.3)": ((400, 300), (7, 5)),
    "sparse(0.5, mean=1.0, std=0.2)": ((400, 300),),
    "orthogonal()": ((120, 120), (120, 70), (70, 120)),
    "orthogonal(gain=2.0)": ((64, 64),),
    "identity()": ((50, 50),),
}
# Every class that draws its parameters or shows its settings.
NEW = """
    Linear(64, 32)|Linear(64, 32, bias=False)|Bilinear(12, 8, 16)|Bilinear(12, 8, 16, bias=False)
    Embedding(40, 24)|Identity(3)|Sequential(nn.Linear(4, 4), nn.ReLU())|Sequential()
    Conv1d(8, 16, 3)|Conv1d(8, 16, 3, stride=2, padding=1, dilation=2, groups=2, bias=False)
    Conv2d(8, 16, 3)|Conv2d(8, 16, (3, 2), stride=(2, 1), padding=1, groups=2)
    Conv3d(4, 6, 3)|Conv3d(4, 6, (3, 2, 1), stride=2, padding=(1, 0, 1), bias=False)
    ConvTranspose1d(8, 16, 3)|ConvTranspose1d(8, 16, 3, 2, 1, 1, 1, False)
    ConvTranspose2d(8, 16, 3)|ConvTranspose2d(8, 16, (3, 2), 2, 1, 1, (1, 0))
    ConvTranspose3d(4, 6, 3)|ConvTranspose3d(4, 6, (3, 2, 1), 2, bias=False)
    MaxPool1d(2)|MaxPool2d(2)|MaxPool3d(2)|AvgPool1d(3, 2, 1)|AvgPool2d((3, 2), stride=1)
    AvgPool3d(3, 2, 1)|MaxPool2d((2, 3), (1, 2), (1, 0))|MaxPool2d(2, padding=1)
    BatchNorm(6)|BatchNorm(6, affine=False)|BatchNorm(6, 0.1, 0.3, True, False)
    LayerNorm(6)|LayerNorm(6, affine=False)|LayerNorm(6, bias=False)|RMSNorm(6)|RMSNorm(6, 0.1)
    GroupNorm(2, 6)|GroupNorm(2, 6, affine=False, pytorch_compatible=True)
    InstanceNorm(6)|InstanceNorm(6, affine=True)
    Dropout()|Dropout(0.3)|Dropout2d(0.2)|Dropout3d()|Dropout(0.1)
    RNN(5, 7)|RNN(5, 7, bias=False)|GRU(5, 7)|GRU(5, 7, bias=False)
    LSTM(5, 7)|LSTM(5, 7, bias=False)
    MultiHeadAttention(8, 2)|MultiHeadAttention(8, 2, 6, 5, 7, 12, 10, True)
    TransformerEncoderLayer(8, 2)|TransformerEncoder(2, 8, 2, 16)|TransformerDecoderLayer(8, 2)
    TransformerDecoder(2, 8, 2)|Transformer(8, 2, 1, 1)|Transformer(8, 2, 2, 1, 12, 0.1)
    TransformerEncoder(1, 8, 2, norm_first=False, checkpoint=True)
    RoPE(8)|RoPE(8, traditional=True, base=100.0, scale=0.5)|ALiBi()
    SinusoidalPositionalEncoding(8)|SinusoidalPositionalEncoding(8, 0.1, 2.0, 3.0, True, True)
    Upsample(2)|Upsample((2, 3), mode='linear', align_corners=True)|Upsample(0.5, 'cubic')
    QuantizedLinear(64, 32)|QuantizedLinear(64, 32, bias=False, group_size=32, bits=8)
    QuantizedLinear(64, 32, mode='mxfp4')|QuantizedEmbedding(40, 64)
    QuantizedEmbedding(40, 64, mode='nvfp4')|QQLinear(64, 32)|QQLinear(64, 32, mode='mxfp8')
    AllToShardedLinear(8, 4)|ShardedToAllLinear(8, 4, bias=False)
    QuantizedAllToShardedLinear(64, 32)|QuantizedShardedToAllLinear(64, 32, bias=False)
    FullyShardedModule(nn.Linear(4, 4))|Module()
    PReLU()|PReLU(5, 0.1)|ReLU()|ReLU2()|ReLU6()|LeakyReLU(0.1)|ELU()|CELU()|SELU()|GELU()
    GELU('tanh')|SiLU()|Mish()|GLU(0)|Hardswish()|HardTanh()|HardShrink(1.0)|Softshrink(1.0)
    Softmax()|Softmin()|LogSoftmax()|LogSigmoid()|Softplus()|Softsign()|Sigmoid()|Tanh()|Step(0.5)
"""


def cases():
    one = ("float32",)
    for make, calls in INITIALIZERS.items():
        for options in calls:
            for shape in SHAPES:
                call = f"init(mx.zeros({shape}){options})"
                yield Case("initializer", "initializer", f"nn.init.{make}", call, {}, dtypes=one)
        for dtype in ("float16", "bfloat16"):
            typed = make[:-1] + (", " if make[-2] != "(" else "") + f"dtype=mx.{dtype})"
            call = "init(mx.zeros((400, 300)))"
            yield Case("initializer", "initializer", f"nn.init.{typed}", call, {}, dtypes=one)
    for make, shapes in MATRICES.items():
        for shape in shapes:
            call = f"init(mx.zeros({shape}))"
            yield Case("initializer", "initializer", f"nn.init.{make}", call, {}, dtypes=one)
        typed = make[:-1] + (", " if make[-2] != "(" else "") + "dtype=mx.bfloat16)"
        call = f"init(mx.zeros({shapes[0]}))"
        yield Case("initializer", "initializer", f"nn.init.{typed}", call, {}, dtypes=one)
    for make in NEW.replace("\n", "|").split("|"):
        if make.strip():
            yield Case("new layer", "new", f"nn.{make.strip()}", "", {}, dtypes=one)
