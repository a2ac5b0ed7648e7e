// MLX's streams over files, for programs that pass a Reader or a Writer on. What takes a path saves
// in one step instead (io.h); a Writer's file changes with every write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ios>
#include <string>

#include "olivine/export.h"
#include "olivine/io.h"
#include "olivine/threadpool.h"

namespace olivine::io {

// Threads for reading and writing; started at first use.
OLIVINE_API ThreadPool& thread_pool();

// Reads a file. Reads at an offset may run on several threads at once.
class OLIVINE_API ParallelFileReader : public Reader {
 public:
  explicit ParallelFileReader(std::string file_path);
  ParallelFileReader(const ParallelFileReader&) = delete;
  ParallelFileReader& operator=(const ParallelFileReader&) = delete;
  ~ParallelFileReader() override;
  bool is_open() const override { return file_ >= 0; }
  bool good() const override { return is_open(); }
  size_t tell() override { return position_; }
  void seek(int64_t off, std::ios_base::seekdir way = std::ios_base::beg) override;
  // Both throw std::runtime_error where the file ends before.
  void read(char* data, size_t n) override;
  void read(char* data, size_t n, size_t offset) override;
  std::string label() const override;

 private:
  std::string path_;
  int file_;
  size_t position_ = 0;
};

// Writes a file, which `open` makes or empties; without a path, the standard output.
class OLIVINE_API FileWriter : public Writer {
 public:
  explicit FileWriter();
  explicit FileWriter(std::string file_path);
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  FileWriter(FileWriter&& other);
  ~FileWriter() override;
  void open() override;
  bool is_open() const override { return file_ >= 0; }
  bool good() const override { return is_open(); }
  size_t tell() override;
  void seek(int64_t off, std::ios_base::seekdir way = std::ios_base::beg) override;
  // Throws std::runtime_error if the system takes less.
  void write(const char* data, size_t n) override;
  std::string label() const override;

 private:
  std::string path_;
  int file_ = -1;
};

}  // namespace olivine::io
