// The layers by their names in the cases.
#include "equality_values.h"

namespace equality {
namespace {

// A layer called with one array.
template <class M>
Value unary(M m) {
  auto p = std::make_shared<M>(std::move(m));
  return {Layer{p,
                [p](Args& a) {
                  array x = a.arr("x");
                  a.done();
                  return Value{(*p)(x)};
                },
                {}}};
}
// A layer called as `f` says.
template <class M, class F>
Value called(M m, F f) {
  auto p = std::make_shared<M>(std::move(m));
  return {Layer{p,
                [p, f](Args& a) {
                  Value v = f(*p, a);
                  a.done();
                  return v;
                },
                {}}};
}

nn::Quantization quantization(Args& a, const char* mode = "affine") {
  nn::Quantization how;
  how.group_size = a.maybe_integer("group_size");
  how.bits = a.maybe_integer("bits");
  how.mode = a.text("mode", mode);
  how.quantize_input = a.truth("quantize_input", false);
  return how;
}

// Linear and Embedding, packed or not.
template <class M>
Value weighted(M m) {
  Value v = unary(std::move(m));
  Layer& layer = std::get<Layer>(v.held);
  auto p = std::static_pointer_cast<M>(layer.module);
  if constexpr (std::is_base_of_v<nn::Embedding, M>) {
    layer.methods["as_linear"] = [p](Args& a) { return Value{p->as_linear(a.arr("x"))}; };
  }
  layer.methods["to_quantized"] = [p](Args& a) {
    M packed = *p;
    packed.quantize_weight(quantization(a));
    return weighted(std::move(packed));
  };
  return v;
}

template <class M>
std::shared_ptr<M> module_of(const Value& v) {
  auto p = std::dynamic_pointer_cast<M>(v.as<Layer>().module);
  if (!p) throw Unsupported("a layer of another type");
  return p;
}

void add_linear(std::map<std::string, Function>& r) {
  r["nn.Identity"] = [](Args&) { return unary(nn::Identity()); };
  r["nn.Linear"] = [](Args& a) {
    int in = a.integer("input_dims"), out = a.integer("output_dims");
    bool bias = a.truth("bias", true);
    a.done();
    return weighted(nn::Linear(in, out, bias));
  };
  r["nn.Bilinear"] = [](Args& a) {
    int in1 = a.integer("input1_dims"), in2 = a.integer("input2_dims");
    int out = a.integer("output_dims");
    bool bias = a.truth("bias", true);
    return called(nn::Bilinear(in1, in2, out, bias), [](nn::Bilinear& m, Args& c) {
      array x1 = c.arr("x1"), x2 = c.arr("x2");
      return Value{m(x1, x2)};
    });
  };
  r["nn.Embedding"] = [](Args& a) {
    int count = a.integer("num_embeddings"), dims = a.integer("dims");
    return weighted(nn::Embedding(count, dims));
  };
  r["nn.Sequential"] = [](Args& a) {
    std::vector<nn::AnyLayer> layers;
    for (const Value& v : a.positional) {
      if (v.is<Function>()) {
        layers.push_back([f = v.as<Function>()](const array& x) { return call(f, x); });
      } else if (auto linear = std::dynamic_pointer_cast<nn::Linear>(v.as<Layer>().module)) {
        layers.push_back(*linear);
      } else {
        layers.push_back(*module_of<nn::ReLU>(v));
      }
    }
    return unary(nn::Sequential(layers));
  };
}

void add_quantized(std::map<std::string, Function>& r) {
  r["nn.QuantizedLinear"] = [](Args& a) {
    int in = a.integer("input_dims"), out = a.integer("output_dims");
    bool bias = a.truth("bias", true);
    return weighted(nn::QuantizedLinear(in, out, bias, quantization(a)));
  };
  r["nn.QuantizedEmbedding"] = [](Args& a) {
    int count = a.integer("num_embeddings"), dims = a.integer("dims");
    return weighted(nn::QuantizedEmbedding(count, dims, quantization(a)));
  };
  r["nn.QQLinear"] = [](Args& a) {
    int in = a.integer("input_dims"), out = a.integer("output_dims");
    return weighted(nn::QQLinear(in, out, quantization(a, "nvfp4")));
  };
  r["nn.QuantizedLinear.from_linear"] = [](Args& a) {
    auto linear = module_of<nn::Linear>(a.next("linear_layer"));
    return weighted(nn::QuantizedLinear::from_linear(*linear, quantization(a)));
  };
  r["nn.QuantizedEmbedding.from_embedding"] = [](Args& a) {
    auto table = module_of<nn::Embedding>(a.next("embedding_layer"));
    return weighted(nn::QuantizedEmbedding::from_embedding(*table, quantization(a)));
  };
  r["nn.QQLinear.from_linear"] = [](Args& a) {
    nn::Linear linear = *module_of<nn::Linear>(a.next("linear_layer"));
    nn::Quantization how = quantization(a, "nvfp4");
    how.quantize_input = true;
    linear.quantize_weight(how);
    return weighted(std::move(linear));
  };
  r["quantized"] = [](Args& a) {
    Value v = a.next("model");
    nn::quantize(*v.as<Layer>().module);
    return v;
  };
}

nn::ConvOptions conv_options(Args& a, bool groups) {
  nn::ConvOptions o;
  o.stride = a.per_axis("stride", 1);
  o.padding = a.per_axis("padding", 0);
  o.dilation = a.per_axis("dilation", 1);
  if (groups) o.groups = a.integer("groups", 1);
  o.bias = a.truth("bias", true);
  a.done();
  return o;
}

nn::ConvTransposeOptions transpose_options(Args& a) {
  nn::ConvTransposeOptions o;
  o.stride = a.per_axis("stride", 1);
  o.padding = a.per_axis("padding", 0);
  o.dilation = a.per_axis("dilation", 1);
  o.output_padding = a.per_axis("output_padding", 0);
  o.bias = a.truth("bias", true);
  a.done();
  return o;
}

template <class M, class Kernel>
Value conv(Args& a, Kernel kernel, bool groups) {
  int in = a.integer("in_channels"), out = a.integer("out_channels");
  auto size = kernel(a);
  return unary(M(in, out, size, conv_options(a, groups)));
}
template <class M, class Kernel>
Value conv_transpose(Args& a, Kernel kernel) {
  int in = a.integer("in_channels"), out = a.integer("out_channels");
  auto size = kernel(a);
  return unary(M(in, out, size, transpose_options(a)));
}

template <class M>
Function pool() {
  return [](Args& a) {
    nn::PerAxis size = a.per_axis("kernel_size");
    Value stride = a.next("stride");
    std::optional<nn::PerAxis> step;
    if (!stride.none()) {
      Args one;
      one.positional.push_back(stride);
      step = one.per_axis("stride");
    }
    nn::PerAxis padding = a.per_axis("padding", 0);
    return unary(M(size, step, padding));
  };
}

void add_spatial(std::map<std::string, Function>& r) {
  auto one = [](Args& a) { return a.integer("kernel_size"); };
  auto all = [](Args& a) { return a.per_axis("kernel_size"); };
  r["nn.Conv1d"] = [=](Args& a) { return conv<nn::Conv1d>(a, one, true); };
  r["nn.Conv2d"] = [=](Args& a) { return conv<nn::Conv2d>(a, all, true); };
  r["nn.Conv3d"] = [=](Args& a) { return conv<nn::Conv3d>(a, all, false); };
  r["nn.ConvTranspose1d"] = [=](Args& a) { return conv_transpose<nn::ConvTranspose1d>(a, one); };
  r["nn.ConvTranspose2d"] = [=](Args& a) { return conv_transpose<nn::ConvTranspose2d>(a, all); };
  r["nn.ConvTranspose3d"] = [=](Args& a) { return conv_transpose<nn::ConvTranspose3d>(a, all); };
  r["nn.MaxPool1d"] = pool<nn::MaxPool1d>();
  r["nn.MaxPool2d"] = pool<nn::MaxPool2d>();
  r["nn.MaxPool3d"] = pool<nn::MaxPool3d>();
  r["nn.AvgPool1d"] = pool<nn::AvgPool1d>();
  r["nn.AvgPool2d"] = pool<nn::AvgPool2d>();
  r["nn.AvgPool3d"] = pool<nn::AvgPool3d>();
  r["nn.Dropout"] = [](Args& a) { return unary(nn::Dropout(a.real("p", 0.5))); };
  r["nn.Dropout2d"] = [](Args& a) { return unary(nn::Dropout2d(a.real("p", 0.5))); };
  r["nn.Dropout3d"] = [](Args& a) { return unary(nn::Dropout3d(a.real("p", 0.5))); };
}

void add_norms(std::map<std::string, Function>& r) {
  r["nn.InstanceNorm"] = [](Args& a) {
    int dims = a.integer("dims");
    double eps = a.real("eps", 1e-5);
    return unary(nn::InstanceNorm(dims, eps, a.truth("affine", false)));
  };
  r["nn.LayerNorm"] = [](Args& a) {
    int dims = a.integer("dims");
    double eps = a.real("eps", 1e-5);
    bool affine = a.truth("affine", true);
    return unary(nn::LayerNorm(dims, eps, affine, a.truth("bias", true)));
  };
  r["nn.RMSNorm"] = [](Args& a) {
    int dims = a.integer("dims");
    return unary(nn::RMSNorm(dims, a.real("eps", 1e-5)));
  };
  r["nn.GroupNorm"] = [](Args& a) {
    int groups = a.integer("num_groups"), dims = a.integer("dims");
    double eps = a.real("eps", 1e-5);
    bool affine = a.truth("affine", true);
    return unary(nn::GroupNorm(groups, dims, eps, affine, a.truth("pytorch_compatible", false)));
  };
  r["nn.BatchNorm"] = [](Args& a) {
    int features = a.integer("num_features");
    double eps = a.real("eps", 1e-5), momentum = a.real("momentum", 0.1);
    bool affine = a.truth("affine", true);
    return unary(
        nn::BatchNorm(features, eps, momentum, affine, a.truth("track_running_stats", true)));
  };
}

void add_positions(std::map<std::string, Function>& r) {
  r["nn.RoPE"] = [](Args& a) {
    int dims = a.integer("dims");
    bool traditional = a.truth("traditional", false);
    double base = a.real("base", 10000);
    return called(nn::RoPE(dims, traditional, base, a.real("scale", 1)), [](nn::RoPE& m, Args& c) {
      array x = c.arr("x");
      return Value{m(x, c.integer("offset", 0))};
    });
  };
  r["nn.SinusoidalPositionalEncoding"] = [](Args& a) {
    int dims = a.integer("dims");
    nn::SinusoidalOptions o;
    o.min_freq = a.real("min_freq", 0.0001);
    o.max_freq = a.real("max_freq", 1);
    Value scale = a.next("scale");
    if (!scale.none()) o.scale = scale.number();
    o.cos_first = a.truth("cos_first", false);
    o.full_turns = a.truth("full_turns", false);
    return unary(nn::SinusoidalPositionalEncoding(dims, o));
  };
  r["nn.ALiBi"] = [](Args&) {
    return called(nn::ALiBi(), [](nn::ALiBi& m, Args& c) {
      array x = c.arr("attention_scores");
      int offset = c.integer("offset", 0);
      return Value{m(x, offset, c.maybe_array("mask"))};
    });
  };
  r["nn.Upsample"] = [](Args& a) {
    Value v = a.next("scale_factor");
    std::vector<double> each;
    if (v.is<List>()) {
      for (const Value& item : v.as<List>()) each.push_back(item.number());
    }
    nn::Scales scales = v.is<List>() ? nn::Scales(each) : nn::Scales(v.number());
    std::string mode = a.text("mode", "nearest");
    bool align = a.truth("align_corners", false);
    return unary(nn::Upsample(scales, mode, align, a.truth("antialias", false)));
  };
}

void add_recurrent(std::map<std::string, Function>& r) {
  auto one_state = [](auto& m, Args& c) {
    array x = c.arr("x");
    return Value{m(x, c.maybe_array("hidden"))};
  };
  r["nn.RNN"] = [=](Args& a) {
    int in = a.integer("input_size"), hidden = a.integer("hidden_size");
    bool bias = a.truth("bias", true);
    auto f = a.function("nonlinearity");
    return called(f ? nn::RNN(in, hidden, bias, f) : nn::RNN(in, hidden, bias), one_state);
  };
  r["nn.GRU"] = [=](Args& a) {
    int in = a.integer("input_size"), hidden = a.integer("hidden_size");
    return called(nn::GRU(in, hidden, a.truth("bias", true)), one_state);
  };
  r["nn.LSTM"] = [](Args& a) {
    int in = a.integer("input_size"), hidden = a.integer("hidden_size");
    return called(nn::LSTM(in, hidden, a.truth("bias", true)), [](nn::LSTM& m, Args& c) {
      array x = c.arr("x");
      auto state = c.maybe_array("hidden");
      auto [h, cell] = m(x, state, c.maybe_array("cell"));
      return Value{List{{h}, {cell}}};
    });
  };
}

nn::TransformerOptions transformer_options(Args& a, bool stack) {
  nn::TransformerOptions o;
  o.mlp_dims = a.maybe_integer("mlp_dims");
  o.dropout = a.real("dropout", 0);
  if (auto f = a.function("activation")) o.activation = f;
  o.norm_first = a.truth("norm_first", true);
  if (stack) o.checkpoint = a.truth("checkpoint", false);
  a.done();
  return o;
}

void add_transformers(std::map<std::string, Function>& r) {
  r["nn.MultiHeadAttention"] = [](Args& a) {
    int dims = a.integer("dims"), heads = a.integer("num_heads");
    nn::AttentionOptions o;
    o.query_input_dims = a.maybe_integer("query_input_dims");
    o.key_input_dims = a.maybe_integer("key_input_dims");
    o.value_input_dims = a.maybe_integer("value_input_dims");
    o.value_dims = a.maybe_integer("value_dims");
    o.value_output_dims = a.maybe_integer("value_output_dims");
    o.bias = a.truth("bias", false);
    return called(nn::MultiHeadAttention(dims, heads, o), [](nn::MultiHeadAttention& m, Args& c) {
      array q = c.arr("queries"), k = c.arr("keys"), v = c.arr("values");
      return Value{m(q, k, v, c.maybe_array("mask"))};
    });
  };
  auto encode = [](auto& m, Args& c) {
    array x = c.arr("x");
    return Value{m(x, c.maybe_array("mask"))};
  };
  auto decode = [](auto& m, Args& c) {
    array x = c.arr("x"), memory = c.arr("memory");
    auto own = c.maybe_array("x_mask");
    return Value{m(x, memory, own, c.maybe_array("memory_mask"))};
  };
  r["nn.TransformerEncoderLayer"] = [=](Args& a) {
    int dims = a.integer("dims"), heads = a.integer("num_heads");
    return called(nn::TransformerEncoderLayer(dims, heads, transformer_options(a, false)), encode);
  };
  r["nn.TransformerDecoderLayer"] = [=](Args& a) {
    int dims = a.integer("dims"), heads = a.integer("num_heads");
    return called(nn::TransformerDecoderLayer(dims, heads, transformer_options(a, false)), decode);
  };
  r["nn.TransformerEncoder"] = [=](Args& a) {
    int count = a.integer("num_layers"), dims = a.integer("dims"), heads = a.integer("num_heads");
    return called(nn::TransformerEncoder(count, dims, heads, transformer_options(a, true)), encode);
  };
  r["nn.TransformerDecoder"] = [=](Args& a) {
    int count = a.integer("num_layers"), dims = a.integer("dims"), heads = a.integer("num_heads");
    return called(nn::TransformerDecoder(count, dims, heads, transformer_options(a, true)), decode);
  };
  r["nn.Transformer"] = [](Args& a) {
    int dims = a.integer("dims", 512), heads = a.integer("num_heads", 8);
    int encoders = a.integer("num_encoder_layers", 6),
        decoders = a.integer("num_decoder_layers", 6);
    return called(nn::Transformer(dims, heads, encoders, decoders, transformer_options(a, true)),
                  [](nn::Transformer& m, Args& c) {
                    array src = c.arr("src"), tgt = c.arr("tgt");
                    auto src_mask = c.maybe_array("src_mask"), tgt_mask = c.maybe_array("tgt_mask");
                    return Value{m(src, tgt, src_mask, tgt_mask, c.maybe_array("memory_mask"))};
                  });
  };
}

}  // namespace

void add_layers(std::map<std::string, Function>& r) {
  add_linear(r);
  add_quantized(r);
  add_spatial(r);
  add_norms(r);
  add_positions(r);
  add_recurrent(r);
  add_transformers(r);
}

}  // namespace equality
