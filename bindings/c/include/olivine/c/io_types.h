/* Streams that a program brings along, and the contents of GGUF files. */
#ifndef OLIVINE_C_IO_TYPES_H
#define OLIVINE_C_IO_TYPES_H

#include "olivine/c/array.h"
#include "olivine/c/string.h"
#include "olivine/c/vector.h"

/* How to read or write through `desc`, which every function gets. A reader needs is_open, good,
 * tell, seek, and read or read_at_offset; a writer is_open, good and write. The others may be null.
 * `whence` is SEEK_SET, SEEK_CUR or SEEK_END. What fails makes good() false from then on. `free` is
 * called once, when neither the handle nor a call needs the stream any more. */
typedef struct olivine_io_vtable_ {
  bool (*is_open)(void*);
  bool (*good)(void*);
  size_t (*tell)(void*);
  void (*seek)(void*, int64_t off, int whence);
  void (*read)(void*, char* data, size_t n);
  void (*read_at_offset)(void*, char* data, size_t n, size_t off);
  void (*write)(void*, const char* data, size_t n);
  const char* (*label)(void*);
  void (*free)(void*);
} olivine_io_vtable;

typedef struct olivine_io_reader_ {
  void* ctx;
} olivine_io_reader;
OLIVINE_C_API olivine_io_reader olivine_io_reader_new(void* desc, olivine_io_vtable vtable);
OLIVINE_C_API int olivine_io_reader_descriptor(void** desc_, olivine_io_reader io);
OLIVINE_C_API int olivine_io_reader_tostring(olivine_string* str_, olivine_io_reader io);
OLIVINE_C_API int olivine_io_reader_free(olivine_io_reader io);

typedef struct olivine_io_writer_ {
  void* ctx;
} olivine_io_writer;
OLIVINE_C_API olivine_io_writer olivine_io_writer_new(void* desc, olivine_io_vtable vtable);
OLIVINE_C_API int olivine_io_writer_descriptor(void** desc_, olivine_io_writer io);
OLIVINE_C_API int olivine_io_writer_tostring(olivine_string* str_, olivine_io_writer io);
OLIVINE_C_API int olivine_io_writer_free(olivine_io_writer io);

/* Named arrays and named metadata: arrays, strings or lists of strings. Getting what is not there,
 * or is of another kind, is an error. */
typedef struct olivine_io_gguf_ {
  void* ctx;
} olivine_io_gguf;
OLIVINE_C_API olivine_io_gguf olivine_io_gguf_new(void);
OLIVINE_C_API int olivine_io_gguf_free(olivine_io_gguf io);
/* The names of arrays, and of metadata, sorted. */
OLIVINE_C_API int olivine_io_gguf_get_keys(olivine_vector_string* keys, olivine_io_gguf io);
OLIVINE_C_API int olivine_io_gguf_get_metadata_keys(olivine_vector_string* keys,
                                                    olivine_io_gguf io);
OLIVINE_C_API int olivine_io_gguf_get_array(olivine_array* arr, olivine_io_gguf io,
                                            const char* key);
OLIVINE_C_API int olivine_io_gguf_get_metadata_array(olivine_array* arr, olivine_io_gguf io,
                                                     const char* key);
OLIVINE_C_API int olivine_io_gguf_get_metadata_string(olivine_string* str, olivine_io_gguf io,
                                                      const char* key);
OLIVINE_C_API int olivine_io_gguf_get_metadata_vector_string(olivine_vector_string* vstr,
                                                             olivine_io_gguf io, const char* key);
OLIVINE_C_API int olivine_io_gguf_has_metadata_array(bool* flag, olivine_io_gguf io,
                                                     const char* key);
OLIVINE_C_API int olivine_io_gguf_has_metadata_string(bool* flag, olivine_io_gguf io,
                                                      const char* key);
OLIVINE_C_API int olivine_io_gguf_has_metadata_vector_string(bool* flag, olivine_io_gguf io,
                                                             const char* key);
OLIVINE_C_API int olivine_io_gguf_set_array(olivine_io_gguf io, const char* key,
                                            const olivine_array arr);
OLIVINE_C_API int olivine_io_gguf_set_metadata_array(olivine_io_gguf io, const char* key,
                                                     const olivine_array marr);
OLIVINE_C_API int olivine_io_gguf_set_metadata_string(olivine_io_gguf io, const char* key,
                                                      const char* mstr);
OLIVINE_C_API int olivine_io_gguf_set_metadata_vector_string(olivine_io_gguf io, const char* key,
                                                             const olivine_vector_string mvstr);

#endif
