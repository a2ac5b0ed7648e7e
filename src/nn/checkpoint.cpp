// Checkpoints.
#include "olivine/nn/checkpoint.h"

#include "core/error.h"
#include "olivine/ops/random.h"

namespace olivine::nn {

static const char* const kRandom = "random";

static void check_names(const char* op, const Parts& parts) {
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string& name = parts[i].first;
    bool twice = false;
    for (size_t j = 0; j < i; ++j) twice |= parts[j].first == name;
    if (name.empty() || name == kRandom || name.find('.') != std::string::npos || twice) {
      fail("[", op, "] expected parts of different names, without dots, not ", kRandom, "; got '",
           name, "'");
    }
  }
}

void save_checkpoint(const std::string& file, const Parts& parts, const Metadata& metadata) {
  check_names("save_checkpoint", parts);
  NamedArrays arrays;
  for (const auto& [part, holder] : parts) {
    for (const auto& [name, value] : holder->state()) arrays.emplace(part + '.' + name, value);
  }
  arrays.emplace(kRandom, random::state());
  save_safetensors(file, arrays, metadata);
}

Metadata load_checkpoint(const std::string& file, const Parts& parts) {
  check_names("load_checkpoint", parts);
  auto [arrays, metadata] = load_safetensors(file);
  Tree all(arrays);
  eval(all);  // reads the file now, before anything replaces it
  std::vector<Tree> before;
  size_t used = 0;
  auto found = arrays.find(kRandom);
  if (found == arrays.end() || found->second.shape() != random::state().shape() ||
      found->second.dtype() != uint32) {
    fail("[load_checkpoint] expected the random keys of a checkpoint; got none in ", file);
  }
  for (const auto& part : parts) before.push_back(part.second->state());
  try {
    for (const auto& [part, holder] : parts) {
      Tree own = all.below(part + '.');
      used += own.size();
      holder->set_state(own);
    }
    if (used + 1 != all.size()) {
      fail("[load_checkpoint] expected the arrays of ", parts.size(), " parts; got ",
           all.size() - used - 1, " others in ", file);
    }
  } catch (...) {
    for (size_t i = 0; i < parts.size(); ++i) parts[i].second->set_state(before[i]);
    throw;
  }
  random::set_state(found->second);
  return metadata;
}

}  // namespace olivine::nn
