// Checkpoints: models, optimizers and the random sequence in one safetensors file.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "olivine/io.h"
#include "olivine/nn/stateful.h"

namespace olivine::nn {

// What goes into a checkpoint, each part under its name.
using Parts = std::vector<std::pair<std::string, Stateful*>>;

// Writes the state of all parts ("model.layers.0.weight", "optimizer.step") and of the sequence of
// random keys ("random"). The file is replaced in one step: a crash at any moment leaves the old
// checkpoint or the new one. `metadata` is what else a program needs to go on.
//
//   nn::save_checkpoint("run.safetensors", {{"model", &model}, {"optimizer", &optimizer}},
//                       {{"step", "100"}});
OLIVINE_API void save_checkpoint(const std::string& file, const Parts& parts,
                                 const Metadata& metadata = {});
// Puts everything back, so that training goes on with the bits that it would have had, and returns
// the metadata. Nothing is changed if a name or a shape does not fit: std::invalid_argument says
// which.
OLIVINE_API Metadata load_checkpoint(const std::string& file, const Parts& parts);

}  // namespace olivine::nn
