"""Cases of recurrent layers, attention and transformers."""

from . import constant, layer, mask, normal


def recurrent():
    for bias in (True, False):
        for a in (normal(6, 5), normal(3, 6, 5), normal(2, 3, 4, 5)):
            torch = len(a.shape) < 4
            make = f"nn.RNN(5, 7, bias={bias})"
            yield layer("recurrent", make, torch="rnn(p, a)" if torch else None, a=a)
            make = f"nn.GRU(5, 7, bias={bias})"
            yield layer("recurrent", make, torch="gru(p, a)" if torch else None, a=a)
            make = f"nn.LSTM(5, 7, bias={bias})"
            yield layer("recurrent", make, a=a)
            yield layer("recurrent", make, "layer(a)[0]", "lstm(p, a)" if torch else None, a=a)
        shapes = {"a": normal(3, 4, 5), "h": normal(3, 7)}
        for name in ("RNN", "GRU"):
            make = f"nn.{name}(5, 7, bias={bias})"
            torch = f"{name.lower()}(p, a, h)"
            yield layer("recurrent", make, "layer(a, h)", torch, **shapes)
            yield layer("recurrent", make, "layer(a, hidden=h)", torch, **shapes)
        make = f"nn.LSTM(5, 7, bias={bias})"
        torch = "lstm(p, a, h, c)"
        yield layer("recurrent", make, "layer(a, h, c)[0]", torch, **shapes, c=normal(3, 7))
        yield layer("recurrent", make, "layer(a, hidden=h, cell=c)", **shapes, c=normal(3, 7))
        yield layer("recurrent", make, "layer(a, hidden=h)", **shapes)
        yield layer("recurrent", make, "layer(a, cell=h)", **shapes)
    make = "nn.RNN(5, 7, nonlinearity=nn.relu)"
    torch = "rnn(p, a, nonlinearity='relu')"
    yield layer("recurrent", make, torch=torch, a=normal(3, 6, 5))
    yield layer("recurrent", "nn.LSTM(5, 7)", "layer(a)", a=normal(1, 40, 5), note="long")


def attention():
    inputs = {"a": normal(2, 5, 8), "b": normal(2, 6, 8), "c": normal(2, 6, 8)}
    for options in ("", ", bias=True"):
        make = f"nn.MultiHeadAttention(8, 2{options})"
        yield layer("attention", make, "layer(a, b, c)", "mha(p, a, b, c, 2)", **inputs)
        call, torch = "layer(a, a, a)", "mha(p, a, a, a, 2)"
        yield layer("attention", make, call, torch, a=normal(2, 5, 8))
        call, torch = "layer(a, b, c, m)", "mha(p, a, b, c, 2, m)"
        yield layer("attention", make, call, torch, **inputs, m=constant(5, 6))
        yield layer("attention", make, call, torch, **inputs, m=constant(2, 1, 5, 6))
        yield layer("attention", make, call, torch, **inputs, m=mask(5, 6))
        yield layer("attention", make, call, torch, **inputs, m=mask(2, 2, 5, 6))
        causal = "nn.MultiHeadAttention.create_additive_causal_mask(5, a.dtype)"
        call, torch = f"layer(a, a, a, {causal})", "mha(p, a, a, a, 2, causal(a))"
        yield layer("attention", make, call, torch, a=normal(2, 5, 8))
    sizes = (
        "8, 4, query_input_dims=6, key_input_dims=5, value_input_dims=7, value_dims=12, "
        "value_output_dims=10"
    )
    inputs = {"a": normal(2, 5, 6), "b": normal(2, 6, 5), "c": normal(2, 6, 7)}
    for options in ("", ", bias=True"):
        make = f"nn.MultiHeadAttention({sizes}{options})"
        yield layer("attention", make, "layer(a, b, c)", "mha(p, a, b, c, 4)", **inputs)
    make = "nn.MultiHeadAttention(8, 2, key_input_dims=5)"
    call, torch = "layer(a, b, b)", "mha(p, a, b, b, 2)"
    yield layer("attention", make, call, torch, a=normal(2, 5, 8), b=normal(2, 6, 5))


def transformers():
    a, m = {"a": normal(2, 5, 8)}, {"m": constant(5, 5)}
    for options, norm_first, act in (
        ("", True, "relu"),
        (", norm_first=False", False, "relu"),
        (", mlp_dims=12, activation=nn.gelu", True, "gelu"),
        (", dropout=0.3", True, "relu"),
    ):
        arguments = f"2, {norm_first}, F.{act}"
        make = f"nn.TransformerEncoderLayer(8, 2{options})"
        torch = f"encoder_layer(p, '', a, None, {arguments})"
        yield layer("transformer", make, "layer(a, None)", torch, **a)
        torch = f"encoder_layer(p, '', a, m, {arguments})"
        yield layer("transformer", make, "layer(a, m)", torch, **a, **m)
        for checkpoint in ("", ", checkpoint=True"):
            make = f"nn.TransformerEncoder(2, 8, 2{options}{checkpoint})"
            torch = f"encoder(p, '', a, m, 2, {arguments})"
            yield layer("transformer", make, "layer(a, m)", torch, **a, **m)
        pair = {**a, "b": normal(2, 6, 8)}
        masks = {**m, "n": constant(5, 6)}
        make = f"nn.TransformerDecoderLayer(8, 2{options})"
        torch = f"decoder_layer(p, '', a, b, None, None, {arguments})"
        yield layer("transformer", make, "layer(a, b, None, None)", torch, **pair)
        torch = f"decoder_layer(p, '', a, b, m, n, {arguments})"
        yield layer("transformer", make, "layer(a, b, m, n)", torch, **pair, **masks)
        for checkpoint in ("", ", checkpoint=True"):
            make = f"nn.TransformerDecoder(2, 8, 2{options}{checkpoint})"
            torch = f"decoder(p, '', a, b, m, n, 2, {arguments})"
            yield layer("transformer", make, "layer(a, b, m, n)", torch, **pair, **masks)
            whole = f"8, 2, 2, 1{options}{checkpoint}"
            torch = f"transformer(p, b, a, None, m, n, 2, 1, {arguments})"
            call = "layer(b, a, None, m, n)"
            make = f"nn.Transformer({whole})"
            yield layer("transformer", make, call, torch, **pair, **masks)
    make = "nn.Transformer(8, 2, 1, 1, custom_encoder=nn.TransformerEncoder(1, 8, 4))"
    yield layer("transformer", make, "layer(a, a, None, None, None)", **a)
    make = "nn.Transformer(8, 2, 1, 1, custom_decoder=nn.TransformerDecoder(1, 8, 4))"
    yield layer("transformer", make, "layer(a, a, None, None, None)", **a)


def cases():
    for family in (recurrent, attention, transformers):
        yield from family()
