// Calls a function that Python exported (mx.export_function), and its gradient by the first input.
//   exported_function FILE INPUTS.safetensors    the inputs are arrays called "0", "1" …
#include <olivine/olivine.h>

#include <cstdio>
#include <iostream>

using namespace olivine;

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "usage: exported_function FILE INPUTS.safetensors\n");
    return 2;
  }
  ImportedFunction f = import_function(argv[1]);
  auto [named, metadata] = load_safetensors(argv[2]);
  std::vector<array> inputs;
  for (size_t i = 0; i < named.size(); ++i) inputs.push_back(named.at(std::to_string(i)));

  for (const array& out : f(inputs)) std::cout << out << '\n';
  auto total = [&](const std::vector<array>& in) { return std::vector<array>{sum(f(in)[0])}; };
  std::cout << "gradient " << grad(total)(inputs)[0] << '\n';
} catch (const std::exception& e) {
  std::fprintf(stderr, "exported_function: %s\n", e.what());
  return 1;
}
