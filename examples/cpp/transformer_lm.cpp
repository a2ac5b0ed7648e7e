// Trains a small language model on the characters of a text and saves checkpoints, from which it
// goes on: two runs of 20 steps give the losses of one of 40.
//
//   transformer_lm TEXT CHECKPOINT STEPS
#include <olivine/optimizers.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "gpt.h"
#include "gpt_checkpoint.h"

namespace optim = olivine::optimizers;

// Batch `step` is random windows of the text that depend on the step alone, those of Python's
// olivine.lm with seed 0.
class Batches {
 public:
  Batches(std::vector<int> ids, int batch, int context)
      : ids_(std::move(ids)), batch_(batch), context_(context) {
    if (ids_.size() < static_cast<size_t>(context) + 1) {
      throw std::invalid_argument("expected a text longer than " + std::to_string(context) +
                                  " characters; got " + std::to_string(ids_.size()));
    }
  }

  // Inputs and targets, the inputs one character on: (batch, context).
  std::pair<array, array> at(int step) const {
    std::vector<int> inputs, targets;
    for (int row = 0; row < batch_; ++row) {
      uint64_t number = static_cast<uint64_t>(step) * static_cast<uint64_t>(batch_) + 1 +
                        static_cast<uint64_t>(row);
      size_t windows = ids_.size() - static_cast<size_t>(context_);
      auto first = ids_.begin() + static_cast<int64_t>(mix(number * 0x9E3779B97F4A7C15) % windows);
      inputs.insert(inputs.end(), first, first + context_);
      targets.insert(targets.end(), first + 1, first + 1 + context_);
    }
    return {array(inputs, {batch_, context_}), array(targets, {batch_, context_})};
  }

 private:
  // The output function of SplitMix64 (Steele et al., 2014).
  static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
  }
  std::vector<int> ids_;
  int batch_, context_;
};

// Up along a line, then down along half a cosine to a hundredth.
optim::Schedule learning_rate(double peak, int steps) {
  int warmup = std::max(1, std::min(100, steps / 10));
  return optim::join_schedules(
      {optim::linear_schedule(peak / warmup, peak * (1 + 1.0 / warmup), warmup),
       optim::cosine_decay(peak, std::max(1, steps - warmup), peak / 100)},
      {warmup});
}

void train(const std::string& text_file, const std::string& checkpoint, int steps) {
  const int total = 1000;  // what the schedule is made for
  std::string text = read_file(text_file);
  std::vector<char32_t> points = code_points(text);
  std::set<char32_t> distinct(points.begin(), points.end());
  Alphabet alphabet{{distinct.begin(), distinct.end()}};
  std::vector<int> ids = alphabet.encode(text);
  ids.resize(ids.size() - ids.size() / 10);  // the rest is for validation

  GPTConfig config{.vocab_size = static_cast<int>(alphabet.characters.size())};
  olivine::random::seed(0);
  GPT model(config);
  optim::AdamW optimizer(learning_rate(4e-3, total),
                         {.betas = {0.9, 0.99}, .weight_decay = 0.1, .bias_correction = true});
  optimizer.init(model.trainable_parameters());
  if (std::filesystem::exists(checkpoint)) restore(checkpoint, model, optimizer);

  auto loss_and_grad = nn::value_and_grad(model, [&](const array& inputs, const array& targets) {
    return nn::losses::cross_entropy(model(inputs), targets, {.reduction = nn::Reduction::mean});
  });
  auto step = nn::compile(
      [&](const array& inputs, const array& targets) {
        auto [loss, grads] = loss_and_grad(inputs, targets);
        optimizer.update(model, optim::clip_grad_norm(grads, 1.0).first);
        return loss;
      },
      model, optimizer);

  Batches batches(std::move(ids), 16, config.context);
  int first = optimizer.step().item<int>();
  for (int i = first; i < first + steps; ++i) {
    auto [inputs, targets] = batches.at(i);
    std::printf("step %d loss %.9g\n", i + 1, step(inputs, targets).item<float>());
  }
  save(checkpoint, model, optimizer, alphabet);
}

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: transformer_lm TEXT CHECKPOINT STEPS\n");
    return 2;
  }
  try {
    train(argv[1], argv[2], std::stoi(argv[3]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "transformer_lm: %s\n", error.what());
    return 1;
  }
}
