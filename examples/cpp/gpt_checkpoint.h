// Checkpoints of the language model, in the format of Python's `olivine train-lm`: a safetensors
// file with the arrays of "model." and "optimizer.", and settings as JSON in its metadata.
#pragma once

#include <olivine/optimizers.h>

#include <nlohmann/json.hpp>

#include "gpt.h"

inline void save(const std::string& file, GPT& model, olivine::optimizers::Optimizer& optimizer,
                 const Alphabet& alphabet) {
  const GPTConfig& c = model.config;
  nlohmann::json settings{
      {"model",
       {{"vocab_size", c.vocab_size},
        {"context", c.context},
        {"layers", c.layers},
        {"heads", c.heads},
        {"dims", c.dims},
        {"dropout", 0.0},
        {"tied", true}}},
      {"alphabet", alphabet.text()},
      {"step", optimizer.step().item<int>()},
  };
  nn::save_checkpoint(file, {{"model", &model}, {"optimizer", &optimizer}},
                      {{"format", "olivine-lm"}, {"version", "1"}, {"settings", settings.dump()}});
}

inline void restore(const std::string& file, GPT& model,
                    olivine::optimizers::Optimizer& optimizer) {
  nn::load_checkpoint(file, {{"model", &model}, {"optimizer", &optimizer}});
}

// The model and the alphabet of a checkpoint, whoever wrote it.
inline std::pair<GPT, Alphabet> load_model(const std::string& file) {
  auto [arrays, metadata] = olivine::load_safetensors(file);
  auto format = metadata.find("format");
  if (format == metadata.end() || format->second != "olivine-lm") {
    throw std::runtime_error(file + " is no checkpoint of olivine train-lm");
  }
  auto settings = nlohmann::json::parse(metadata.at("settings"));
  const auto& sizes = settings.at("model");
  if (!sizes.value("tied", true)) throw std::runtime_error("expected a model with tied embeddings");
  GPT model({.vocab_size = sizes.at("vocab_size"),
             .context = sizes.at("context"),
             .layers = sizes.at("layers"),
             .heads = sizes.at("heads"),
             .dims = sizes.at("dims")});
  model.load_weights(nn::Tree(arrays).below("model."));
  return {std::move(model), Alphabet{code_points(settings.at("alphabet").get<std::string>())}};
}
