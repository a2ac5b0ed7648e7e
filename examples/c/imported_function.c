/* Calls a network that Python trained and exported, without its source or its weights' file.
 *
 *     python examples/mlp_init.py mlp.safetensors
 *     python examples/mlp.py mlp.safetensors --export digits.olivine
 *     ./imported_function digits.olivine mlp.safetensors
 *
 * Prints the loss over all digits, and how many of them the network recognises. */
#include <olivine/c/olivine.h>
#include <stdio.h>

static const olivine_stream s = {NULL}; /* the default one */

static int load_digits(olivine_array* x, olivine_array* y, const char* file) {
  olivine_map_string_to_array tensors = olivine_map_string_to_array_new();
  olivine_map_string_to_string metadata = olivine_map_string_to_string_new();
  int failed = olivine_load_safetensors(&tensors, &metadata, file, s) ||
               olivine_map_string_to_array_get(x, tensors, "x") ||
               olivine_map_string_to_array_get(y, tensors, "y");
  olivine_map_string_to_array_free(tensors);
  olivine_map_string_to_string_free(metadata);
  return failed;
}

static int logits_of(olivine_array* z, const char* file, olivine_array x) {
  olivine_imported_function network = olivine_imported_function_new(file);
  olivine_vector_array inputs = olivine_vector_array_new_value(x);
  olivine_vector_array outputs = olivine_vector_array_new();
  int failed = olivine_imported_function_apply(&outputs, network, inputs) ||
               olivine_vector_array_get(z, outputs, 0);
  olivine_imported_function_free(network);
  olivine_vector_array_free(inputs);
  olivine_vector_array_free(outputs);
  return failed;
}

/* Mean cross entropy of logits z, for labels y. */
static int cross_entropy(float* value, olivine_array z, olivine_array y) {
  olivine_array score = olivine_array_new(), total = olivine_array_new();
  int failed = olivine_expand_dims(&score, y, -1, s) ||
               olivine_take_along_axis(&score, z, score, -1, s) ||
               olivine_squeeze_axis(&score, score, -1, s) ||
               olivine_logsumexp_axis(&total, z, -1, false, s) ||
               olivine_subtract(&total, total, score, s) || olivine_mean(&total, total, false, s) ||
               olivine_array_item_float32(value, total);
  olivine_array_free(score);
  olivine_array_free(total);
  return failed;
}

/* The share of digits whose largest logit is that of their label. */
static int accuracy(float* value, olivine_array z, olivine_array y) {
  olivine_array guess = olivine_array_new();
  int failed = olivine_argmax_axis(&guess, z, -1, false, s) || olivine_equal(&guess, guess, y, s) ||
               olivine_mean(&guess, guess, false, s) || olivine_array_item_float32(value, guess);
  olivine_array_free(guess);
  return failed;
}

int main(int argc, char** argv) {
  if (argc != 3) return fprintf(stderr, "usage: %s FUNCTION mlp.safetensors\n", argv[0]), 2;
  olivine_array x = olivine_array_new(), y = olivine_array_new(), z = olivine_array_new();
  float loss = 0, share = 0;
  int failed = load_digits(&x, &y, argv[2]) || logits_of(&z, argv[1], x) ||
               cross_entropy(&loss, z, y) || accuracy(&share, z, y);
  if (failed) {
    fprintf(stderr, "%s\n", olivine_last_error());
  } else {
    printf("loss %.9g, %.1f %% recognised\n", loss, 100 * share);
  }
  olivine_array_free(x);
  olivine_array_free(y);
  olivine_array_free(z);
  return failed;
}
