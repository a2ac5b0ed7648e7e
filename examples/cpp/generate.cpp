// Continues a prompt with a checkpoint of Python's `olivine train-lm`, or of transformer_lm: always
// by the most likely character, so that the text is Python's with `--temperature 0`.
//
//   generate CHECKPOINT PROMPT COUNT
#include <algorithm>
#include <cstdio>

#include "gpt_checkpoint.h"

std::string generate(const GPT& model, const Alphabet& alphabet, const std::string& prompt,
                     int count) {
  std::vector<int> tokens = alphabet.encode(prompt);
  if (tokens.empty()) throw std::invalid_argument("expected a prompt of at least one character");
  size_t context = static_cast<size_t>(model.config.context);
  auto keep_last = [&](size_t n) {
    tokens.erase(tokens.begin(), tokens.end() - static_cast<int64_t>(std::min(n, tokens.size())));
  };
  keep_last(context);
  std::vector<int> fresh = tokens;
  std::vector<KVCache> caches(model.blocks.size());
  std::string text;
  for (int i = 0; i < count; ++i) {
    if (static_cast<size_t>(caches[0].length()) + fresh.size() > context) {
      // The later half is read again as if it were the start of a text.
      keep_last(std::max<size_t>(context / 2, 1));
      fresh = tokens;
      caches.assign(model.blocks.size(), {});
    }
    array logits = model(array(fresh, {1, static_cast<int>(fresh.size())}), &caches);
    array last = take(logits, -1, 1);
    int token = argmax(last, -1).item<int>();
    text += alphabet.decode(token);
    tokens.push_back(token);
    fresh = {token};
  }
  return text;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: generate CHECKPOINT PROMPT COUNT\n");
    return 2;
  }
  try {
    auto [model, alphabet] = load_model(argv[1]);
    model.eval();
    std::string text = generate(model, alphabet, argv[2], std::stoi(argv[3]));
    std::printf("%s%s\n", argv[2], text.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "generate: %s\n", error.what());
    return 1;
  }
}
