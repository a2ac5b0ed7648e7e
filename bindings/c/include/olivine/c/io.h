/* Arrays in files: npy, safetensors and GGUF. Loading checks a file before it allocates; saving
 * swaps a complete file in, so that a crash leaves the old one or the new one. */
#ifndef OLIVINE_C_IO_H
#define OLIVINE_C_IO_H

#include "olivine/c/io_types.h"
#include "olivine/c/map.h"

/* One array in NumPy's npy format. The stream of work makes no difference. */
OLIVINE_C_API int olivine_load_reader(olivine_array* res, olivine_io_reader in_stream,
                                      const olivine_stream s);
OLIVINE_C_API int olivine_load(olivine_array* res, const char* file, const olivine_stream s);
OLIVINE_C_API int olivine_save_writer(olivine_io_writer out_stream, const olivine_array a);
OLIVINE_C_API int olivine_save(const char* file, const olivine_array a);

/* Named arrays with metadata. */
OLIVINE_C_API int olivine_load_safetensors_reader(olivine_map_string_to_array* res_0,
                                                  olivine_map_string_to_string* res_1,
                                                  olivine_io_reader in_stream,
                                                  const olivine_stream s);
OLIVINE_C_API int olivine_load_safetensors(olivine_map_string_to_array* res_0,
                                           olivine_map_string_to_string* res_1, const char* file,
                                           const olivine_stream s);
OLIVINE_C_API int olivine_save_safetensors_writer(olivine_io_writer in_stream,
                                                  const olivine_map_string_to_array param,
                                                  const olivine_map_string_to_string metadata);
OLIVINE_C_API int olivine_save_safetensors(const char* file,
                                           const olivine_map_string_to_array param,
                                           const olivine_map_string_to_string metadata);

OLIVINE_C_API int olivine_load_gguf(olivine_io_gguf* gguf, const char* file,
                                    const olivine_stream s);
OLIVINE_C_API int olivine_save_gguf(const char* file, olivine_io_gguf gguf);

#endif
